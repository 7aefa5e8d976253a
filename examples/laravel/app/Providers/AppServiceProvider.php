<?php

namespace App\Providers;

use App\Photos;
use Gatepass\Sign\Signer;
use Illuminate\Support\ServiceProvider;

class AppServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->app->singleton(Photos::class, function () {
            ['key' => $key, 'url' => $url] = config('services.gatepass');

            return new Photos(new Signer($key, $url), $url);
        });
    }
}
