// Starts the program in this process. Everything else is told what it needs.

import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { userPaths } from '../login/paths.ts';
import { processIo } from './io.ts';
import { isOwnFolder } from './own-folder.ts';

// Not the default place under /tmp, which another user could have filled with code of theirs; nor any that another could.
const compiled = join(userPaths(process.env, process.platform).cache, 'compile');
if (isOwnFolder(compiled, process.getuid?.())) enableCompileCache(compiled);

// A reader that went away (`hoopctl ls | head -1`) ends us as SIGPIPE would have.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 141 : 1));
process.stderr.on('error', () => {});

const io = processIo(process);
const { run, crash } = await import('./run.ts');
process.on('uncaughtException', (error) => process.exit(crash(io, error)));
process.exit(await run(io, process.argv.slice(2)));
