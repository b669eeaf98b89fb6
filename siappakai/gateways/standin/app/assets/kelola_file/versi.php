<?php

declare(strict_types=1);

const KELOLA_FILE_VERSION = '@VERSION@';
