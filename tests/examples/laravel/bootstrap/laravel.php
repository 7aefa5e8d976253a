<?php

// The framework as Debian has it, in place of the package laravel/framework.
error_reporting(E_ALL & ~E_DEPRECATED);
require_once 'Illuminate/autoload.php';
