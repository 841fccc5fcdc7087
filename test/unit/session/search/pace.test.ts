import { describe, expect, it } from 'vitest';
import { type Load, Pace } from '../../../../src/session/search/pace.ts';

/** A machine of two cores: `busy` is what others use of them, `ours` what the rest of the process uses. */
class Machine {
  load: Load = { at: 0, idle: 0, process: 0, own: 0, cores: 2 };

  pass(ms: number, { own = 0, busy = 0, ours = 0, cores = 2 }): void {
    const { at, idle, process, own: before } = this.load;
    this.load = {
      at: at + ms,
      idle: idle + ms * Math.max(0, 2 - busy) - own,
      process: process + ours * ms + own,
      own: before + own,
      cores,
    };
  }
}

describe('the pace of the index', () => {
  it('is full while there is a core to spare, its own work not counted against it', () => {
    const machine = new Machine();
    const pace = new Pace(() => machine.load);
    machine.pass(1000, { own: 990, busy: 1 });
    expect(pace.rest()).toBe(0);
  });

  it('gives way on a busy machine: a hundredth of a core at most, and no rest is for ever', () => {
    const machine = new Machine();
    const pace = new Pace(() => machine.load);
    machine.pass(1000, { own: 20, busy: 1.9 });
    expect(pace.rest()).toBe(1980);
    machine.pass(1300, { own: 900, busy: 1.9 });
    expect(pace.rest()).toBe(5000);
  });

  it('gives way where the process may use less than the machine has', () => {
    const machine = new Machine();
    const pace = new Pace(() => machine.load);
    machine.pass(1000, { own: 100, ours: 0.9, busy: 0.9, cores: 1 });
    expect(pace.rest()).toBeGreaterThan(0);
  });

  it('keeps what it saw between two looks, and hurries for as long as it is told to', () => {
    const machine = new Machine();
    const pace = new Pace(() => machine.load);
    machine.pass(300, { busy: 2 });
    pace.rest();
    machine.pass(20, { own: 10 });
    expect(pace.rest()).toBe(990);
    pace.hurry(1000);
    machine.pass(900, { own: 300, busy: 2 });
    expect(pace.rest()).toBe(0);
    machine.pass(200, { own: 10, busy: 2 });
    expect(pace.rest()).toBe(990);
  });
});
