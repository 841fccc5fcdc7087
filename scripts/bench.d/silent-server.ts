// A target that lets everybody in and then waits: a thousand real backends would take more memory than the gateway.

import { type AddressInfo, createServer } from 'node:net';
import { int32, message } from '../../test/support/wire.ts';

export async function startSilentServer(): Promise<{ port: number; close(): void }> {
  const welcome = Buffer.concat([
    message('R', int32(0)),
    message('S', 'server_version', '15.0'),
    message('S', 'client_encoding', 'UTF8'),
    message('S', 'standard_conforming_strings', 'on'),
    message('K', int32(1), int32(2)),
    message('Z', Buffer.from('I')),
  ]);
  const server = createServer((socket) => {
    let greeted = false;
    socket.on('data', () => {
      if (!greeted) socket.write(welcome);
      greeted = true;
    });
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 2048, resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
