// A gateway's configuration read offline, for `policy` and `serve`.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { userError } from '../core/errors.ts';
import type { Configuration, ReadResult } from '../gateway/configuration.ts';
import type { Context } from './context.ts';
import { fileTrouble } from './files.ts';

/** What is read where no file is named. */
export const DEFAULT_FILE = 'gateway.yaml';

/** The file may be named by either: as an argument, or as `serve` has it. */
export const CONFIG_OPTION = {
  config: { value: 'FILE', help: `the configuration, as an argument does (default: ${DEFAULT_FILE})` },
} as const;

/** Which of the two was given. The command line goes before the environment and files. Errors: usage, for both. */
export function namedFile(context: Context, argument: string | undefined, option: string | undefined): string {
  if (argument !== undefined && option !== undefined && argument !== option && context.given('config'))
    throw userError('usage', `the configuration is named twice: '${argument}' and --config '${option}'`, {
      fix: 'name one',
    });
  return argument ?? option ?? DEFAULT_FILE;
}

/** The text of the file. Errors: config_unreadable. */
export function readText(context: Context, file: string): string {
  try {
    return readFileSync(resolve(context.io.cwd, file), 'utf8');
  } catch (error) {
    throw userError('config_unreadable', `cannot read '${file}': ${fileTrouble(error)}`, {
      fix: "name the gateway's configuration file",
      cause: error,
    });
  }
}

/** Everything that is in the file, or everything that is wrong with it. Errors: config_unreadable. */
export async function readDocument(context: Context, file: string): Promise<ReadResult> {
  const text = readText(context, file);
  const { emptyFile, readConfiguration } = await import('../gateway/configuration.ts');
  return (
    emptyFile(text, file) ??
    readConfiguration(text, { file, directory: dirname(resolve(context.io.cwd, file)), now: Date.now() })
  );
}

/** As `readDocument`; every problem as one error. Errors: config_invalid. */
export async function needDocument(context: Context, file: string): Promise<Configuration> {
  const read = await readDocument(context, file);
  if (read.configuration !== undefined) return read.configuration;
  const { configurationError } = await import('../gateway/configuration.ts');
  throw configurationError(read.problems, file);
}
