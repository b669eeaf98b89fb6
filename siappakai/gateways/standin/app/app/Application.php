<?php

declare(strict_types=1);

namespace App;

use App\Database\Connection;
use App\Database\Migrator;
use App\Database\Schema;
use App\Database\Seeder;
use App\Support\AppKey;
use App\Support\Cache;
use App\Support\DatabaseConfig;
use App\Support\Log;
use App\Support\Redirect;
use App\Support\Switches;
use App\Support\VillageFolder;
use RuntimeException;
use Throwable;

/** One request from first check to answer, in the order OpenSID does it. */
final class Application
{
    private function __construct(private readonly Log $log, private readonly Switches $switches) {}

    public static function boot(): self
    {
        ini_set('display_errors', '0');
        require_once APPPATH . 'helpers/opensid_helper.php';

        return new self(new Log(STORAGEPATH . 'logs'), Switches::ofVillage(DESAPATH));
    }

    public function run(): void
    {
        ob_start();
        try {
            $this->answer();
        } catch (Redirect $redirect) {
            $redirect->send();
        } catch (Throwable $error) {
            ob_clean();
            http_response_code(500);
            echo '<h1>Terjadi kesalahan</h1>';
            $this->log->write('error', $error->getMessage());
        }
        ob_end_flush();
    }

    private function answer(): void
    {
        $this->requireMiddlewareFolder();
        $key = AppKey::load();
        $this->switches->delay();
        $config = DatabaseConfig::load($key);
        $db = Connection::open($config);
        $this->ensureInstalled($db, $config);
        $router = new Router($db);
        $this->requireMatchingKey($db, $router);
        $this->ensureMigrated($db, $config);
        Cache::put(
            'identitas_desa',
            $db->row('SELECT nama_desa, kode_desa FROM config WHERE app_key = ?', [AppKey::load()->text]),
        );
        if ($this->switches->answers500()) {
            throw new RuntimeException('Diminta menjawab 500 oleh desa/standin.json');
        }
        $router->dispatch();
    }

    private function requireMiddlewareFolder(): void
    {
        $folder = APPPATH . 'Middleware';
        if (!is_dir($folder) && !@mkdir($folder)) {
            throw new RuntimeException('Folder donjo-app/Middleware tidak dapat dibuat');
        }
    }

    private function ensureInstalled(Connection $db, DatabaseConfig $config): void
    {
        if (!$db->isEmpty()) {
            return;
        }
        (new Seeder($db, new Schema($db)))->run();
        (new Migrator($db, $this->log, $this->switches))->run(repeat: true);
        $this->finish($config);
    }

    private function ensureMigrated(Connection $db, DatabaseConfig $config): void
    {
        $migrator = new Migrator($db, $this->log, $this->switches);
        if ($migrator->isCurrent()) {
            return;
        }
        $migrator->run();
        $this->finish($config);
    }

    private function finish(DatabaseConfig $config): void
    {
        VillageFolder::complete(DESAPATH);
        $config->encryptPassword(AppKey::load(), $this->log);
    }

    private function requireMatchingKey(Connection $db, Router $router): void
    {
        $known = $db->value('SELECT COUNT(*) FROM config WHERE app_key = ?', [AppKey::load()->text]);
        if ((int) $known === 0 && !$router->isConnectionPage()) {
            throw new Redirect('koneksi_database/config');
        }
    }
}
