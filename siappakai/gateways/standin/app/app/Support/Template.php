<?php

declare(strict_types=1);

namespace App\Support;

use RuntimeException;

/** Blade in small: {{ }} escapes, {!! !!} does not, compiled into storage/framework/views. */
final class Template
{
    /** @param array<string, mixed> $values */
    public static function page(string $name, string $title, array $values): string
    {
        $content = self::render($name, $values);

        return self::render('layout', ['title' => $title, 'content' => $content]);
    }

    /** @param array<string, mixed> $values */
    private static function render(string $name, array $values): string
    {
        $compiled = self::compile(dirname(APPPATH) . '/resources/views/' . $name . '.blade.php');
        ob_start();
        (static function () use ($compiled, $values): void {
            extract($values);
            require $compiled;
        })();

        return (string) ob_get_clean();
    }

    /** The name depends on the release's real path, so two releases never share a compiled page. */
    private static function compile(string $source): string
    {
        $folder = STORAGEPATH . 'framework/views';
        if (!is_dir($folder) && !@mkdir($folder, 0755, true)) {
            throw new RuntimeException('Please provide a valid cache path.');
        }
        $target = $folder . '/' . sha1($source) . '.php';
        if (!is_file($target) || filemtime($target) < filemtime($source)) {
            $draft = $target . '.' . getmypid();
            file_put_contents($draft, self::translate((string) file_get_contents($source)));
            rename($draft, $target);
        }

        return $target;
    }

    private static function translate(string $text): string
    {
        $text = (string) preg_replace('/\{!!\s*(.+?)\s*!!\}/s', '<?= $1 ?>', $text);

        return (string) preg_replace('/\{\{\s*(.+?)\s*\}\}/s', '<?= htmlspecialchars((string) ($1)) ?>', $text);
    }
}
