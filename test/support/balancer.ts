// One address in front of several ports: each new connection goes to one of them, or to another where that one refuses.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Balancer {
  readonly port: number;
  /** Where connections go, all of them as often. */
  ports: readonly number[];
  stop(): void;
}

export async function startBalancer(): Promise<Balancer> {
  const sockets = new Set<Socket>();
  let turn = 0;
  const join = (client: Socket, [port, ...others]: readonly number[]) => {
    if (port === undefined) return client.destroy();
    const upstream = connect(port, '127.0.0.1');
    sockets.add(upstream);
    let connected = false;
    upstream.once('connect', () => {
      connected = true;
      client.pipe(upstream).pipe(client);
      client.once('close', () => upstream.destroy());
      upstream.once('close', () => client.destroy());
    });
    upstream.on('error', () => (connected ? client.destroy() : join(client, others)));
    return client;
  };
  const server = createServer((client) => {
    sockets.add(client);
    client.on('error', () => client.destroy());
    const { ports } = balancer;
    // Not simply in turn: a client that makes two connections each time would always come to the same port with the second.
    const first = [...(turn++).toString(2)].filter((digit) => digit === '1').length % ports.length;
    join(client, [...ports.slice(first), ...ports.slice(0, first)]);
  });
  const balancer = {
    port: 0,
    ports: [] as readonly number[],
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  balancer.port = (server.address() as AddressInfo).port;
  return balancer;
}
