<?php

declare(strict_types=1);

namespace App\Database;

use RuntimeException;

final class SchemaError extends RuntimeException {}
