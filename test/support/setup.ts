// Runs around every test file: whatever a failed test left running or lying about ends with its file. Workers are ended
// without their exit handlers, so that those cannot do it.

import { afterAll } from 'vitest';
import { endEverything } from './process.ts';

afterAll(endEverything);
