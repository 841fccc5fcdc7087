// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are of the language of the shell.
// What a shell would run, read from the text: programs by name, and "not told" wherever the text leaves it open.

import { describe, expect, it } from 'vitest';
import { commandFacts } from '../../../../../src/protocol/ssh/exec/facts.ts';

const programs = (text: string) => {
  const { programs: found, opaque } = commandFacts(text);
  return opaque === undefined ? found : `opaque: ${opaque}`;
};

describe('programs of a command', () => {
  it.each<[string, string[]]>([
    ['uptime', ['uptime']],
    ['  uptime  # now', ['uptime']],
    ['/bin/rm -rf /', ['/bin/rm']],
    ['r\\m x', ['rm']],
    ['\'r\'"m" x', ['rm']],
    ['r\\\nm x', ['rm']],
    ['a && b || c; d & e', ['a', 'b', 'c', 'd', 'e']],
    ['a | b |& c', ['a', 'b', 'c']],
    ['! a', ['a']],
    ['time -p a', ['time', 'a']],
    ['cat <<E\\\nOF\n$(rm x)\nEOF', ['cat', 'rm']],
    ['(a; b)', ['a', 'b']],
    ['{ a; b; }', ['a', 'b']],
    ['echo $(rm x)', ['rm', 'echo']],
    ['echo `rm x`', ['rm', 'echo']],
    ['echo `a \\`b\\``', ['b', 'a', 'echo']],
    ['echo "$(rm x) and `a`"', ['rm', 'a', 'echo']],
    ['echo "${x:-$(rm y)}"', ['rm', 'echo']],
    ["echo '$(rm x)'", ['echo']],
    ['diff <(a) >(b)', ['a', 'b', 'diff']],
    ['if a; then b; elif c; then d; else e; fi', ['a', 'b', 'c', 'd', 'e']],
    ['for f in x y; do a $f; done', ['a']],
    ['for f\ndo a; done', ['a']],
    ['while a; do b; done', ['a', 'b']],
    ['case x in a|b) c;; (*) d; esac', ['c', 'd']],
    ['f() { rm x; }; f', ['rm', 'f']],
    ['function f { rm x; }\nf', ['rm', 'f']],
    ['x=1 y=2 a', ['a']],
    ['x=$(rm y)', ['rm']],
    ['a <<E\n$(rm x)\nE\nb', ['a', 'rm', 'b']],
    ["a <<'E'\n$(rm x)\nE", ['a']],
    ['a <<-E\n\tx\n\tE', ['a']],
    ['a <<< "$(b)"', ['b', 'a']],
    ['a > /tmp/x 2>&1 < /etc/y', ['a']],
    ['sudo -u root rm x', ['sudo', 'rm']],
    ['sudo -n -- rm x', ['sudo', 'rm']],
    ['sudo a=1 -u root b=2 rm x', ['sudo', 'rm']],
    ['env -i a=1 LC_ALL=C rm x', ['env', 'rm']],
    ['sudo -nu root -- rm x', ['sudo', 'rm']],
    ['exec -ca ls rm x', ['exec', 'rm']],
    ["flock /x -c 'rm y'", ['flock', 'rm']],
    ['[ -n "$x" ] && [ $? -eq 0 ]', ['[']],
    ['a <<E\n\\"\'$(rm x)\'\\"\nE', ['a', 'rm']],
    ["trap -- 'x; rm y' EXIT", ['trap', 'x', 'rm']],
    ['nohup nice -n 5 timeout 5 rm x', ['nohup', 'nice', 'timeout', 'rm']],
    ['command rm', ['command', 'rm']],
    ['exec rm', ['exec', 'rm']],
    ["sh -c 'a; b'", ['sh', 'a', 'b']],
    ["bash -ec 'a'", ['bash', 'a']],
    ["su root -c 'a'", ['su', 'a']],
    ["trap 'a' EXIT", ['trap', 'a']],
    ['xargs -n 1 rm', ['xargs', 'rm']],
    ['find . -name x -exec rm {} \\;', ['find', 'rm']],
    ['test -f x && [ -d y ]', ['test', '[']],
  ])('%j', (text, expected) => {
    expect(programs(text)).toEqual(expected);
  });

  it.each([
    '$x',
    '${x}m y',
    '/bin/r? x',
    'r{m,} x',
    '~/x',
    '$(echo rm) x',
    '`echo rm` x',
    "$'\\x72m' x",
    'eval rm',
    '. ./x',
    'source x',
    'alias a=rm',
    'hash -p /bin/rm uptime',
    'sh x.sh',
    'sh',
    'bash -s',
    'bash -c "$x"',
    'base64 -d x | sh',
    'PATH=/tmp uptime',
    'LD_PRELOAD=/tmp/x.so uptime',
    'BASH_ENV=/tmp/x uptime',
    'export PATH=/tmp; uptime',
    'env PATH=/tmp uptime',
    'read PATH; uptime',
    'for PATH in /tmp; do uptime; done',
    'echo $((a[$(rm x)]))',
    'echo $[1]',
    '(( a ))',
    '[[ a -eq b ]]',
    'let x',
    'declare x=1',
    'a[$(rm x)]=1',
    'printf -v "a[$(rm x)]" y',
    'test -v "a[1]"',
    'echo ${x@P}',
    'echo ${!x}',
    'echo ${x:$(rm)}',
    'echo ${PATH:=/tmp}',
    'a "',
    "a '",
    'a `b',
    'a $(b',
    'a ) b',
    'a <<E\nx',
    'if a; then b',
    'a \\',
    'a\u00a0b',
    'a\0b',
    'ssh other rm',
    'a > $x',
    'a > *',
    'shopt -s expand_aliases',
    'sudo --askpass-thing rm',
    'sudo LD_PRELOAD=x ls',
    'time -- rm',
    "trap -- '-x; rm y' EXIT",
    '=rm x',
    'echo "\u3042\\"; rm x #"',
    'echo x &>f rm y',
    'echo x &>>f rm y',
    "cat <<E && echo '\n$(rm x)\nE\n'",
    'cat <<E && echo "\n$(rm x)\nE\n"',
    'echo "$\\\n(rm x)"',
    'echo ${x:-$\\\n(rm x)}',
    'a\\\n=1 rm x',
    'copro\\\nc rm x',
    'time "-f" x rm',
    'find . -exec a \\; -exec rm {} \\;',
    'sudo $x',
    'printf -v PATH /tmp; a',
    'printf -vPATH /tmp; a',
    'wait -p PATH; a',
    'local -i x',
    'exec {PATH}>x; a',
    'A=1 a',
    'env A=1 a',
    'export A=1',
    'OPENSSL_CONF=/tmp/x a',
    'sudo -s',
    'sudo -i rm',
    'su -s /tmp/x root -c a',
    'xargs env',
    'xargs nice',
    'xargs -I a a x',
    'xargs -0I X sh -c "echo X"',
    'find . {-exec,rm,{},\\;}',
    'find . -exec sh -c "echo {}" \\;',
    "echo $'\\'; rm x #'",
    `echo "\${x:-'}"; rm x; echo "'}"`,
    'cat <<E\nE\\\n\nrm x\nE',
    'cat <<E $(a\nb)\nE',
    '[ $x = y ]',
    'test "$x" "a[1]"',
    'fish -c a',
    'bash -c -x a',
  ])('%j is not told', (text) => {
    expect(programs(text)).toMatch(/^opaque: /);
  });
});

it('names the files of redirections', () => {
  expect(commandFacts('a < /etc/passwd > /tmp/x 2>> /tmp/y').places).toEqual([
    { place: '/etc/passwd', read: true, written: false },
    { place: '/tmp/x', read: false, written: true },
    { place: '/tmp/y', read: false, written: true },
  ]);
});

it('names the arguments of every program, and which of them are not told', () => {
  expect(commandFacts('sudo rm -rf "$x" /y | xargs -n 1 a').commands).toEqual([
    { program: 'sudo', words: ['rm', '-rf', undefined, '/y'] },
    { program: 'rm', words: ['-rf', undefined, '/y'] },
    { program: 'xargs', words: ['-n', '1', 'a'] },
    { program: 'a', words: [undefined] },
  ]);
});

it('names what is told behind what is not', () => {
  const { programs: found, opaque } = commandFacts('$x; eval y; rm z > $f');
  expect(found).toEqual(['eval', 'rm']);
  expect(opaque).toContain('"$x"');
});

describe('transfers by a command', () => {
  it.each([
    ['scp -t /srv/in', ['exec', 'sftp-write'], ['/srv/in']],
    ['scp -r -p -f -- /etc/passwd /x', ['exec', 'sftp-read'], ['/etc/passwd', '/x']],
    ['scp -prf /x', ['exec', 'sftp-read'], ['/x']],
    ['rsync --server -vlogDtpre.iLsfxCIvu . /srv/in/', ['exec', 'sftp-write'], ['/srv/in/']],
    ['rsync --server --sender -e.LsfxC . /a /b', ['exec', 'sftp-read'], ['/a', '/b']],
    ['rsync --server --temp-dir=/t/x -e.L . /a', ['exec', 'sftp-write'], ['/a', '/t/x']],
    ["git-upload-pack '/srv/a.git'", ['exec', 'sftp-read'], ['/srv/a.git']],
    ['git receive-pack /srv/a.git', ['exec', 'sftp-write'], ['/srv/a.git']],
    ['sudo scp -t /x', ['exec', 'sftp-write'], ['/x']],
    ['scp a b', ['exec'], []],
  ])('%j', (text, does, places) => {
    const facts = commandFacts(text);
    expect(facts.does).toEqual(does);
    expect(facts.places?.map(({ place }) => place)).toEqual(places);
    expect(facts.opaque).toBeUndefined();
  });

  it.each(['scp -t ~/x', 'scp -f *.log', 'rsync --server -svlogDtpre.iLsfxC . x', 'scp -f $x'])(
    '%j is not told',
    (text) => {
      expect(commandFacts(text).opaque).toBeDefined();
    },
  );
});

describe('a command of many words', () => {
  it.each([
    ['commands', 'a;'.repeat(500_000)],
    ['arguments', `rm ${'a '.repeat(60_000)}`],
    ['substitutions', '$(a) '.repeat(30_000)],
    ['substitutions in quotes', `echo "${'$(a)'.repeat(30_000)}"`],
    ['nestings of something long', `${'$('.repeat(15)}${'a;'.repeat(10_000)}${')'.repeat(15)}`],
    ['nestings of a long word', `${'echo $('.repeat(15)}${'a'.repeat(500_000)}${')'.repeat(15)}`],
    ['scripts in scripts', `sh -c '${'a;'.repeat(60_000)}'`],
  ])('is not read beyond a limit, by whose name it is opaque: %s', (_, text) => {
    expect(commandFacts(text).opaque).toBe('it has more words than ssh_command_words, which is 50000');
  });

  it.each([
    ['128 KiB of arguments', `rm ${'some/file '.repeat(13_000)}`],
    ['substitutions', `echo ${'$(a) '.repeat(10_000)}`],
    ['a file in a here-document', `cat > f <<'end'\n${'some words of a file\n'.repeat(40_000)}end\n`],
    ['one word', `echo ${'a'.repeat(900_000)}`],
  ])('is read within it: %s', (_, text) => {
    expect(commandFacts(text).opaque).toBeUndefined();
  });

  it('is not looked through for the end of an index again and again', () => {
    expect(commandFacts(`a[0${'0'.repeat(2000)}`).opaque).toBe('an array is assigned to');
    expect(commandFacts(`a[${'0'.repeat(100)} b`).opaque).not.toBe('an array is assigned to');
    expect(programs('a;'.repeat(3))).toEqual(['a']);
  });
});
