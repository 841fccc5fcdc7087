#!/usr/bin/env node
// Starts the built program; no logic here.
import '../dist/cli/main.js';
