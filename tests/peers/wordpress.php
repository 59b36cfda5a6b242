<?php
/*
 * The config of a WordPress for one test run, and what `php -S` hands each request to. The folder of that run stands in
 * KENTONGAN_PEER_WORDPRESS, its address in KENTONGAN_PEER_ADDRESS. On the command line it installs the site.
 */
$run = getenv('KENTONGAN_PEER_WORDPRESS');
$site = getenv('KENTONGAN_PEER_ADDRESS');
$core = getenv('KENTONGAN_PEER_CORE');

if (!defined('DB_NAME')) {
    define('DB_NAME', 'wordpress');
    define('DB_USER', 'root');
    define('DB_PASSWORD', '');
    define('DB_HOST', "localhost:$run/db.sock");
    define('DB_CHARSET', 'utf8mb4');
    define('DB_COLLATE', '');
    define('WP_HOME', $site);
    define('WP_SITEURL', $site);
    define('WP_CONTENT_DIR', "$run/content");
    define('WP_ENVIRONMENT_TYPE', 'local'); // application passwords without TLS
    define('WP_HTTP_BLOCK_EXTERNAL', true);
    define('DISABLE_WP_CRON', true);
    define('AUTOMATIC_UPDATER_DISABLED', true);
    define('WP_DEBUG', false);
    define('EMPTY_TRASH_DAYS', file_exists("$run/no-trash") ? 0 : 30);
    foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $name) {
        define("{$name}_KEY", "peer test only, $name key");
        define("{$name}_SALT", "peer test only, $name salt");
    }
    if (!defined('ABSPATH')) {
        define('ABSPATH', "$core/");
    }
    $table_prefix = 'wp_';
}

if (PHP_SAPI === 'cli' && in_array('install', $argv ?? [], true)) {
    define('WP_INSTALLING', true);
    $_SERVER['HTTP_HOST'] = parse_url($site, PHP_URL_HOST);
    $_SERVER['REQUEST_URI'] = '/';
    require ABSPATH . 'wp-settings.php';
    require ABSPATH . 'wp-admin/includes/upgrade.php';
    wp_install('Peer', 'owner', 'owner@example.org', true, '', 'peer-test-only');
    $passwords = [];
    foreach (['author', 'contributor', 'subscriber'] as $role) {
        $id = wp_create_user($role, "peer-test-only-$role", "$role@example.org");
        (new WP_User($id))->set_role($role);
        $passwords[$role] = WP_Application_Passwords::create_new_application_password($id, ['name' => 'peer'])[0];
    }
    update_option('permalink_structure', '/%postname%/');
    flush_rewrite_rules();
    file_put_contents("$run/passwords.json", json_encode($passwords));
} elseif (PHP_SAPI === 'cli-server' && !defined('KENTONGAN_PEER_ROUTED')) {
    define('KENTONGAN_PEER_ROUTED', true);
    $_SERVER['SCRIPT_NAME'] = '/index.php';
    define('WP_USE_THEMES', false);
    require ABSPATH . 'wp-settings.php';
    wp();
}
