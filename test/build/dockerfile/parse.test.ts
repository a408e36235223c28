// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles look like that
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDockerfile } from '../../../src/build/dockerfile/dockerfile.ts';
import { isSlipwayError } from '../../../src/errors.ts';
import { runs } from '../../rig/long.ts';

function parse(text: string) {
  return parseDockerfile('Dockerfile', Buffer.from(text));
}

/** The instructions of the only stage, without their places. */
function instructions(text: string) {
  return parse(`FROM scratch\n${text}`).stages[0]?.instructions.map(
    ({ where: _, ...rest }) => rest,
  );
}

test('comments and empty lines may stand inside a continued instruction', () => {
  assert.deepEqual(instructions('ENV a=1 \\\n# no\n\n   # no\n  b=2 \\  \n c=3\nUSER x'), [
    {
      keyword: 'ENV',
      pairs: [
        { name: 'a', value: '1' },
        { name: 'b', value: '2' },
        { name: 'c', value: '3' },
      ],
    },
    { keyword: 'USER', text: 'x' },
  ]);
});

test('an escaped escape at the end of a line continues nothing', () => {
  assert.deepEqual(instructions('ENV a=b\\\\\nUSER x')?.at(-1), { keyword: 'USER', text: 'x' });
});

test('directives stand at the top, and a backtick can escape', () => {
  const text = '# syntax=docker/dockerfile:1\n#escape = `\nFROM scratch\nENV a=1 `\n b=c\\d\n';
  const parsed = parse(text);
  assert.equal(parsed.escapeWith, '`');
  assert.equal(parsed.syntax, 'docker/dockerfile:1');
  assert.equal(parsed.stages[0]?.instructions.length, 1);
  assert.equal(parse('# a comment\n# escape=`\nFROM scratch').escapeWith, '\\');
});

test('line ends of Windows, a byte order mark and a missing last line end change nothing', () => {
  const unix = 'FROM scratch\nCOPY a \\\n b /c/\nCMD ["x"]';
  assert.deepEqual(parse(`\ufeff${unix.replaceAll('\n', '\r\n')}`), parse(`${unix}\n`));
});

test('heredocs take lines as they are, also those that look like instructions', () => {
  const [copy, user] =
    instructions('COPY <<A <<-"B" /d/\nUSER no\n# kept\\\nA\n\t\ty $Z\n\tB\nUSER yes') ?? [];
  assert.ok(copy?.keyword === 'COPY');
  assert.deepEqual(
    copy.heredocs.map(({ name, content, expands }) => ({ name, content, expands })),
    [
      { name: 'A', content: 'USER no\n# kept\\\n', expands: true },
      { name: 'B', content: 'y $Z\n', expands: false },
    ],
  );
  assert.deepEqual(copy.sources, []);
  assert.deepEqual(user, { keyword: 'USER', text: 'yes' });
});

test('a list that is not JSON is text for the shell', () => {
  assert.deepEqual(
    instructions(`CMD ["a", "b\\u0041"]\nCMD ['a']\nCMD ["a",]`)?.map((one) =>
      one.keyword === 'CMD' ? one.command : undefined,
    ),
    [
      { form: 'list', words: ['a', 'bA'] },
      { form: 'shell', text: "['a']" },
      { form: 'shell', text: '["a",]' },
    ],
  );
});

test('flags, health checks, triggers and stages are taken apart', () => {
  const parsed = parse(
    [
      'ARG V=1',
      'FROM --platform=$BUILDPLATFORM base:${V} as Build',
      'COPY --from=x --chown=1:2 --chmod=755 --exclude=*.a --exclude=b --link a b c/',
      'HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl x',
      'HEALTHCHECK NONE',
      'ONBUILD COPY <<E /x',
      'hi',
      'E',
      'FROM Build',
    ].join('\n'),
  );
  assert.equal(parsed.globals.length, 1);
  assert.deepEqual(
    parsed.stages.map(({ from: { image, name, platform } }) => ({ image, name, platform })),
    [
      { image: 'base:${V}', name: 'build', platform: '$BUILDPLATFORM' },
      { image: 'Build', name: undefined, platform: undefined },
    ],
  );
  const [copy, check, none, trigger] = parsed.stages[0]?.instructions ?? [];
  assert.ok(copy?.keyword === 'COPY');
  assert.deepEqual(copy.exclude, ['*.a', 'b']);
  assert.deepEqual(
    [copy.from?.value, copy.chown, copy.chmod, copy.link],
    ['x', '1:2', '755', true],
  );
  assert.deepEqual(check?.keyword === 'HEALTHCHECK' && check.check, {
    Test: ['CMD-SHELL', 'curl x'],
    Interval: 90_000_000_000,
    Timeout: 500_000_000,
    Retries: 3,
  });
  assert.deepEqual(none?.keyword === 'HEALTHCHECK' && none.check, { Test: ['NONE'] });
  assert.equal(trigger?.keyword === 'ONBUILD' && trigger.trigger, 'COPY <<E /x\nhi\nE');
});

for (const [text, message] of [
  ['FORM a', '1:1: unknown instruction "FORM"'],
  ['FROM a\nCOPPY a b', '2:1: unknown instruction "COPPY"'],
  ['RUN x', '1:1: RUN before the first FROM'],
  ['# nothing', '1:1: there is no FROM in it'],
  ['FROM a b', '1:6: FROM takes an image, or IMAGE AS NAME'],
  ['FROM a AS 1x', `1:6: "1x" can't be the name of a stage`],
  ['FROM a\nENV a', '2:5: ENV needs a value: NAME=VALUE'],
  ['FROM a\nENV \\\n  a=1 \\\n  b', `4:3: can't find = in "b"`],
  ['FROM a\nCOPY a', '2:1: COPY needs a source and a destination'],
  ['FROM a\nCOPY a b c', '2:1: COPY with more than one source needs a folder as its destination'],
  ['FROM a\nCOPY \\\n  --form=x a b', '3:3: COPY has no flag "--form"'],
  ['FROM a\nCOPY --link=x a b', '2:6: --link takes no value, or true or false'],
  ['FROM a\nCOPY --chown= a b', '2:6: --chown needs a value: --chown=…'],
  ['FROM a\nCOPY <<E /x\nhi', '2:6: unterminated heredoc'],
  ['FROM a\nSHELL x', '2:1: SHELL takes a list in JSON form'],
  ['FROM a\nCMD [1]', '2:5: a list in JSON form must consist of strings only'],
  ['FROM a\nHEALTHCHECK --interval=1 CMD x', '2:13: "1" is no duration'],
  ['FROM a\nHEALTHCHECK --interval=1us CMD x', '2:13: "1us" is too short or too long'],
  ['FROM a\nONBUILD FROM x', `2:9: FROM isn't allowed as an ONBUILD trigger`],
  ['# escape=x\nFROM a', '1:1: the escape directive takes \\ or `'],
  ['FROM a\nLABEL a=\u001b[31m b', '2:15: can\'t find = in "b"'],
] as const) {
  test(`refused with line and column: ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parse(text),
      (error) =>
        isSlipwayError(error, 'CONFIG_INVALID') && error.message === `Dockerfile:${message}`,
    );
  });
}

test('bytes that are not UTF-8 are refused with their line', () => {
  assert.throws(() => parseDockerfile('D', Buffer.from('FROM a\nLABEL a=\xff', 'latin1')), {
    code: 'CONFIG_INVALID',
    message: 'D:2:1: this line is not UTF-8 text',
  });
});

test('whatever stands in a Dockerfile, it parses or is refused with a place', () => {
  const piece = fc.constantFrom(
    ...[
      'FROM a',
      'COPY',
      'ADD',
      'ENV',
      'LABEL',
      'ARG',
      'ONBUILD',
      'HEALTHCHECK',
      'CMD',
      'RUN',
      '\n',
    ],
    ...[
      ' ',
      '\\',
      '\\\n',
      '"',
      "'",
      '[',
      ']',
      '<<E',
      '<<-',
      'E\n',
      '--from=',
      '--',
      '=',
      '$a',
      '#',
      '`',
    ],
    ...['a', 'b c', '/d/', '${', '}', '\r\n', '\t', '\u2028', 'é', '\0'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      try {
        parse(`FROM a\n${pieces.join('')}`);
      } catch (error) {
        assert.ok(isSlipwayError(error, 'CONFIG_INVALID'), String(error));
        assert.match(error.message, /^Dockerfile:\d+:\d+: /);
      }
    }),
    runs(500, 20_000),
  );
});
