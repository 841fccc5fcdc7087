import { describe, expect, it } from 'vitest';
import { fuzzOnce, random } from './fuzz.ts';
import { front } from './kit.ts';
import { packet, Stage, startup, welcome } from './script.ts';

describe('the machine under seeded nonsense', () => {
  it('keeps its promises over 4,000 conversations (more: scripts/fuzz)', () => {
    const ends: Record<string, number> = {};
    for (let seed = 1; seed <= 4000; seed++) {
      const { ended } = fuzzOnce(seed);
      ends[ended] = (ends[ended] ?? 0) + 1;
    }
    // Conversations that get to their end and ones that are broken off: neither may be all there is.
    expect(ends.client_closed).toBeGreaterThan(1000);
    expect(ends.protocol_violation).toBeGreaterThan(200);
  });
});

describe('the door under seeded nonsense', () => {
  const openings = [
    startup({ user: 'alice', database: 'prod-db' }),
    startup({ user: 'alice', options: '-c a=b' }, 196610),
    packet(80877103),
    packet(80877104),
    packet(80877102, Buffer.alloc(8)),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from('\x16\x03\x01\x00\x05hello', 'latin1'),
  ];

  it('answers or closes 500 malformed and truncated openings, and forgets them', async () => {
    const visits: Promise<void>[] = [];
    for (let seed = 1; seed <= 500; seed++) {
      const rand = random(seed);
      const stage = new Stage({
        native: rand() < 0.5,
        limits: { startup_ms: 30, target_login_ms: 30, closing_ms: 30 },
      });
      const opening = Buffer.concat([
        openings[Math.floor(rand() * openings.length)]!,
        rand() < 0.5 ? front.query('select 1') : Buffer.alloc(0),
      ]);
      for (let i = 0; i < 3; i++) opening[Math.floor(rand() * Math.min(opening.length, 16))] = Math.floor(rand() * 256);
      const { client, over } = stage.visit();
      client.send(rand() < 0.5 ? opening : opening.subarray(0, Math.floor(rand() * opening.length)));
      void stage.target().then(async (target) => {
        await target.packet();
        target.send(rand() < 0.5 ? welcome() : welcome().subarray(0, 20));
        setTimeout(() => client.stream.destroy(), 50);
      });
      visits.push(over);
    }
    await Promise.all(visits);
  });
});
