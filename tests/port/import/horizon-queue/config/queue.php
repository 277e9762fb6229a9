<?php
return [
    'default' => env('QUEUE_CONNECTION', 'database'),
    'connections' => [
        'sync' => ['driver' => 'sync'],
        'database' => [
            'driver' => 'database',
            'table' => env('DB_QUEUE_TABLE', 'jobs'),
            'queue' => env('DB_QUEUE', 'default'),
            'retry_after' => 90,
        ],
        'redis' => ['driver' => 'redis', 'queue' => 'default', 'block_for' => null],
    ],
    'failed' => ['driver' => 'database-uuids', 'table' => 'failed_jobs'],
];
