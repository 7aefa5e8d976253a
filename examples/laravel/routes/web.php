<?php

use App\Photos;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Route;

$user = 7; // In place of $request->user()->id.

Route::get('/', fn (Photos $photos) => view('photos', [
    'urls' => DB::table('photos')->pluck('path')->map($photos->url(...)),
]));

Route::post('/sign', fn (Photos $photos) => ['url' => $photos->sign($user)]);

Route::post('/files', function (Request $request, Photos $photos) use ($user) {
    $claims = $photos->accept((string) $request->input('receipt'), $user);
    abort_unless($claims !== null, 403, 'The receipt was refused.');
    $facts = ['path' => $claims->path, 'type' => $claims->type, 'size' => $claims->size];
    DB::table('photos')->updateOrInsert(['file_id' => $claims->sub], $facts);

    return redirect('/');
});
