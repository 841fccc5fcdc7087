// Shows an ink view on the user's terminal until it exits; Ctrl-C is the view's own key.
// Refuses to know: what is shown.

import { render } from 'ink';
import type { ReactNode } from 'react';
import type { Io } from '../io.ts';

export async function showScreen(io: Io, view: ReactNode): Promise<void> {
  const screen = render(view, {
    stdin: io.stdin as NodeJS.ReadStream,
    stdout: io.stdout as NodeJS.WriteStream,
    stderr: io.stderr as NodeJS.WriteStream,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  await screen.waitUntilExit();
}
