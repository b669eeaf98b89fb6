<?php

$db['default'] = [
    'hostname' => 'localhost',
    'username' => 'root',
    'password' => '',
    'database' => 'opensid',
    'port' => 3306,
    'dbcollat' => 'utf8_general_ci',
    'stricton' => true,
];

// desa/config/database.php sets keys of $db['default'].
include DESAPATH . 'config/database.php';

return $db['default'];
