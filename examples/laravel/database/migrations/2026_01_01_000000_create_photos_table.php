<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration {
    public function up(): void
    {
        Schema::create('photos', function (Blueprint $table) {
            $table->string('file_id', 64)->primary();
            $table->string('path', 1024);
            $table->string('type');
            $table->unsignedBigInteger('size');
        });
    }

    public function down(): void
    {
        Schema::dropIfExists('photos');
    }
};
