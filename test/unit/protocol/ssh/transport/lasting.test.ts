// ssh2's native ciphers, made and dropped by the thousand while optimised code allocates: unguarded that ends the process
// (on Node's headers from 24.19 on), which is why each case is a process of its own.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from '../../../../support/process.ts';

const built = existsSync(join(repository, 'node_modules/ssh2/lib/protocol/crypto/build/Release/sshcrypto.node'));

function run(body: string): { status: number | null; said: string } {
  const script = `
    import { createRequire } from 'node:module';
    import { Lasting } from './src/protocol/ssh/transport/lasting.ts';
    const binding = createRequire(import.meta.url)('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node');
    const lasting = new Lasting(1000);
    lasting.guard(binding);
    const make = () => new binding.AESGCMCipher('aes-128-gcm', Buffer.alloc(16), Buffer.alloc(12));
    const turn = () => new Promise(setImmediate);
    ${body}`;
  const args = ['--input-type=module', '--eval', script];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: repository, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

describe.skipIf(!built && process.env.HOOPCTL_TEST_REQUIRE === undefined)('native ciphers', () => {
  it('are never left to a collection that ends the process, and are let go', () => {
    const done = run(`
    let most = 0;
    let junk = [];
    for (let i = 0; i < 400; i++) {
      for (let n = 0; n < 50; n++) make();
      for (let n = 0; n < 100_000; n++) junk.push({ n });
      if (i % 5 === 0) junk = [];
      await turn();
      most = Math.max(most, lasting.held);
    }
    if (most < 900) throw new Error('at most ' + most + ' were held');
    if (lasting.held > 5_000) throw new Error(lasting.held + ' are held');
    console.log('done');`);
    expect(done).toEqual({ status: 0, said: 'done\n' });
  });

  it('encrypt as they do unguarded', () => {
    const done = run(`
    const real = new (make().native.constructor)('aes-128-gcm', Buffer.alloc(16), Buffer.alloc(12));
    const [one, two] = [0, 1].map(() => Buffer.concat([Buffer.from([0, 0, 0, 32]), Buffer.alloc(48, 7)]));
    make().encrypt(one);
    real.encrypt(two);
    if (!one.equals(two) || one.equals(Buffer.concat([Buffer.from([0, 0, 0, 32]), Buffer.alloc(48, 7)]))) throw new Error('differs');
    console.log('done');`);
    expect(done).toEqual({ status: 0, said: 'done\n' });
  });

  it('are not used after their end', () => {
    const done = run(`
      const cipher = new binding.GenericCipher('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16), 'sha256', Buffer.alloc(32), true, 32);
      cipher.free();
      cipher.free();
      try { cipher.encrypt(Buffer.alloc(64), 0); } catch (error) { console.log(error.message); }`);
    expect(done).toEqual({ status: 0, said: 'a cipher was used (encrypt) after its end\n' });
  });
});
