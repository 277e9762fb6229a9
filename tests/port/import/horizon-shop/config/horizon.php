<?php

use Illuminate\Support\Str;

return [
    'domain' => env('HORIZON_DOMAIN'),
    'path' => env('HORIZON_PATH', 'horizon'),
    'use' => 'default',
    'prefix' => env('HORIZON_PREFIX', Str::slug(env('APP_NAME', 'laravel'), '_').'_horizon:'),
    'middleware' => ['web'],
    'waits' => ['redis:default' => 60],
    'trim' => ['recent' => 60, 'failed' => 10080],
    'fast_termination' => false,
    'memory_limit' => 64,

    'defaults' => [
        'supervisor-1' => [
            'connection' => 'redis',
            'queue' => ['default', 'mail'],
            'balance' => 'auto',
            'autoScalingStrategy' => 'time',
            'maxProcesses' => 1,
            'maxTime' => 0,
            'maxJobs' => 0,
            'memory' => 128,
            'tries' => 3,
            'timeout' => 90,
            'nice' => 5,
        ],
    ],

    'environments' => [
        'production' => [
            'supervisor-1' => [
                'maxProcesses' => 9,
                'balanceMaxShift' => 1,
                'balanceCooldown' => 3,
            ],
            'images' => [
                'connection' => 'redis',
                'queue' => 'images',
                'processes' => env('IMAGE_WORKERS', 2),
                'timeout' => 60 * 10,
            ],
        ],
        'local' => ['supervisor-1' => ['maxProcesses' => 3]],
    ],
];
