<?php
// Images, in as many workers as there are CPUs to spare: an image is {"width", "height", "pixels"}, its pixels three
// bytes each (red, green, blue), row by row, in base64. Nothing but PHP is needed.

function say(array $message): void
{
    echo json_encode($message, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
    flush();
}

/** The pixel of each place of the new image, by its place in the old one. */
function map(array $image, int $width, int $height, callable $from): array
{
    $old = base64_decode($image['pixels'], true);
    if ($old === false || strlen($old) !== 3 * $image['width'] * $image['height']) {
        throw new InvalidArgumentException('`pixels` must be base64 of width × height × 3 bytes');
    }
    $new = '';
    for ($y = 0; $y < $height; $y++) {
        for ($x = 0; $x < $width; $x++) {
            [$column, $row] = $from($x, $y);
            $new .= substr($old, 3 * ($row * $image['width'] + $column), 3);
        }
    }
    return ['width' => $width, 'height' => $height, 'pixels' => base64_encode($new)];
}

function resize(array $image, int $width, int $height): array
{
    return map($image, $width, $height, fn($x, $y) => [
        intdiv($x * $image['width'], $width),
        intdiv($y * $image['height'], $height),
    ]);
}

function thumbnail(array $image, int $size = 64): array
{
    $scale = min(1, $size / max($image['width'], $image['height']));
    return resize($image, max(1, (int) round($image['width'] * $scale)), max(1, (int) round($image['height'] * $scale)));
}

function crop(array $image, int $x, int $y, int $width, int $height): array
{
    if ($x + $width > $image['width'] || $y + $height > $image['height']) {
        throw new OutOfRangeException('the part is not within the image');
    }
    return map($image, $width, $height, fn($column, $row) => [$x + $column, $y + $row]);
}

/** By 90 degrees, clockwise. */
function rotate(array $image): array
{
    return map($image, $image['height'], $image['width'], fn($x, $y) => [$y, $image['height'] - 1 - $x]);
}

function filter(array $image, string $name): array
{
    $image = map($image, $image['width'], $image['height'], fn($x, $y) => [$x, $y]);
    $bytes = base64_decode($image['pixels']);
    if ($name === 'invert') {
        $new = ~$bytes;
    } else {
        $gray = fn($pixel) => chr((int) round(0.299 * ord($pixel[0]) + 0.587 * ord($pixel[1]) + 0.114 * ord($pixel[2])));
        $new = implode(array_map(fn($pixel) => str_repeat($gray($pixel), 3), str_split($bytes, 3)));
    }
    return ['pixels' => base64_encode($new)] + $image;
}

/** One operation on many images. One that fails leaves its error in its place. */
function batch(array $images, string $operation, array $options = []): array
{
    return array_map(function ($image) use ($operation, $options) {
        try {
            return $operation($image, ...$options);
        } catch (Throwable $error) {
            return ['error' => $error->getMessage()];
        }
    }, $images);
}

function takes(array $properties, array $optional = []): array
{
    return ['type' => 'object', 'properties' => $properties + $optional, 'required' => array_keys($properties)];
}

$side = ['type' => 'integer', 'minimum' => 1, 'maximum' => 4096];
$place = ['type' => 'integer', 'minimum' => 0];
$image = takes(['width' => $side, 'height' => $side, 'pixels' => ['type' => 'string']]);
$operations = ['thumbnail', 'resize', 'crop', 'rotate', 'filter'];
$methods = [
    'thumbnail' => takes(['image' => $image], ['size' => $side]),
    'resize' => takes(['image' => $image, 'width' => $side, 'height' => $side]),
    'crop' => takes(['image' => $image, 'x' => $place, 'y' => $place, 'width' => $side, 'height' => $side]),
    'rotate' => takes(['image' => $image]),
    'filter' => takes(['image' => $image, 'name' => ['enum' => ['invert', 'gray']]]),
    'batch' => takes(
        ['images' => ['type' => 'array', 'items' => $image, 'maxItems' => 100], 'operation' => ['enum' => $operations]],
        ['options' => ['type' => 'object']],
    ),
];
// Nothing is changed by a call, so one whose worker died is given to another.
$declared = array_map(fn($params) => ['params' => $params, 'idempotent' => true, 'timeout_s' => 20], $methods);
say(['method' => 'ready', 'params' => ['name' => 'image_processor', 'version' => '1.0.0', 'methods' => $declared]]);

while (($line = fgets(STDIN)) !== false) {
    $message = json_decode($line, true);
    if (($message['method'] ?? null) !== 'call') {
        continue;
    }
    ['id' => $id, 'params' => $params] = $message;
    $start = hrtime(true);
    try {
        say(['id' => $id, 'result' => $params['name'](...$params['args'])]);
    } catch (Throwable $error) { // one that is not caught would end the worker
        say(['id' => $id, 'error' => ['code' => -32000, 'message' => $error->getMessage()]]);
    }
    $seconds = (hrtime(true) - $start) / 1e9;
    $labels = ['operation' => $params['name']];
    say(['method' => 'metric', 'params' => ['name' => 'image_seconds', 'kind' => 'histogram', 'value' => $seconds, 'labels' => $labels]]);
}
