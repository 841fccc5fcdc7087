// `hoopctl admin holds add`: forbids to remove recordings, whatever retention says.

import { userError } from '../../../core/errors.ts';
import { command as define } from '../../command.ts';
import { plural } from '../../text.ts';

interface Answer {
  readonly hold: { readonly id: string };
  readonly late: readonly string[];
  /** Not said by an older gateway. */
  readonly known?: boolean;
}

const KINDS = ['session', 'connection', 'principal'] as const;

export const command = define({
  options: {
    session: { value: 'ID', help: 'the recording of this session' },
    connection: { value: 'NAME', help: 'all of this connection, those to come too' },
    principal: { value: 'WHO', help: 'all of this principal (subject or e-mail address, an agent by its name)' },
    reason: { value: 'TEXT', help: 'why, for the record' },
  },
  run: async ({ reason, ...values }, context) => {
    const named = KINDS.flatMap((kind) => (values[kind] === undefined ? [] : [{ kind, value: values[kind] }]));
    const [one] = named;
    if (one === undefined || named.length > 1) {
      throw userError('usage', 'name one of --session ID, --connection NAME and --principal WHO');
    }
    if (reason === undefined) throw userError('usage', 'name a reason: --reason TEXT');
    const api = await context.api();
    const body = { ...one, reason };
    const answer = await api.call<Answer>('admin/holds', { method: 'POST', body, signal: context.signal });
    if (answer.known === false) {
      context.io.say(
        `no session is of '${one.value}' so far, as subject or e-mail address: see how it is written in 'hoopctl sessions ls'`,
      );
    }
    await context.print(answer, () => {
      const late =
        answer.late.length === 0
          ? ''
          : `too late for ${plural(answer.late.length, 'recording')} of which a part is gone already: ${answer.late.join(', ')}\n`;
      return `${answer.hold.id} holds the recordings of ${one.kind} ${one.value}\n${late}`;
    });
    return answer.late.length === 0 ? 0 : 1;
  },
});
