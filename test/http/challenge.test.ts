import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from '../../src/http/challenge.ts';
import { noVectors, vectorRows } from '../oci/vectors.ts';
import { runs } from '../rig/long.ts';

interface Plain {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

function parsed(...headers: readonly string[]): readonly Plain[] {
  return parseChallenges(headers).map(({ scheme, parameters }) => ({
    scheme,
    parameters: Object.fromEntries(parameters),
  }));
}

const CASES: readonly (readonly [header: string, ...challenges: Plain[]])[] = [
  [''],
  ['Basic', { scheme: 'basic', parameters: {} }],
  ['Basic realm="a, b"', { scheme: 'basic', parameters: { realm: 'a, b' } }],
  ['BEARER ReAlM="x"', { scheme: 'bearer', parameters: { realm: 'x' } }],
  ['Bearer realm = "x" ,service=y', { scheme: 'bearer', parameters: { realm: 'x', service: 'y' } }],
  [
    'Negotiate, Basic realm="r", Bearer realm="https://a/t",scope="repository:a:pull,push"',
    { scheme: 'negotiate', parameters: {} },
    { scheme: 'basic', parameters: { realm: 'r' } },
    { scheme: 'bearer', parameters: { realm: 'https://a/t', scope: 'repository:a:pull,push' } },
  ],
  [
    'Negotiate YII+/a==, Basic realm=r',
    { scheme: 'negotiate', parameters: {} },
    { scheme: 'basic', parameters: { realm: 'r' } },
  ],
  ['Bearer a="x\\"y\\\\z"', { scheme: 'bearer', parameters: { a: 'x"y\\z' } }],
  ['Bearer realm="first",realm="second"', { scheme: 'bearer', parameters: { realm: 'first' } }],
  [
    'Bearer realm="a",,, service="b",',
    { scheme: 'bearer', parameters: { realm: 'a', service: 'b' } },
  ],
  ['Bearer realm="not ended', { scheme: 'bearer', parameters: {} }],
  ['"Bearer" realm="x"'],
  [
    'Bearer realm=https://a/t?b=c,service=d',
    { scheme: 'bearer', parameters: { realm: 'https://a/t?b=c', service: 'd' } },
  ],
];

for (const [header, ...challenges] of CASES) {
  test(`the challenge ${JSON.stringify(header)}`, () => {
    assert.deepEqual(parsed(header), challenges);
  });
}

test('challenges may stand in one header or in several', () => {
  const one = parsed('Basic realm="a", Bearer realm="b"');
  assert.deepEqual(parsed('Basic realm="a"', 'Bearer realm="b"'), one);
});

test('whatever a challenge holds survives quoting', () => {
  const value = fc.string({ unit: 'grapheme-ascii', maxLength: 20 });
  fc.assert(
    fc.property(value, value, (realm, scope) => {
      const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
      const header = `Basic realm="z", Bearer realm=${quote(realm)}, scope=${quote(scope)}`;
      assert.deepEqual(parsed(header)[1], { scheme: 'bearer', parameters: { realm, scope } });
    }),
    runs(200, 5_000),
  );
});

test('no header makes the parser fail or slow', () => {
  const text = fc.string({ unit: fc.constantFrom(...'Bearer realm=",\\ \t=+/~x') });
  fc.assert(
    fc.property(text, (header) => {
      parseChallenges([header]);
    }),
    runs(500, 20_000),
  );
  const startedAt = performance.now();
  for (const part of ['Bearer ', 'a=', 'a="b",', ',,,, ', 'a=b ', '=', '"', '\\', 'x~/+==,']) {
    parseChallenges([part.repeat(8_000)]);
  }
  assert.ok(performance.now() - startedAt < 1_000);
});

test('the public tables are read alike', { skip: noVectors }, () => {
  interface Row {
    readonly name: string;
    readonly header?: string;
    readonly wantParams?: Readonly<Record<string, string>>;
  }
  const rows = vectorRows<Row>('challenge', 'oras-project/oras-go', 'Test_parseChallenge');
  // Nobody uses a challenge of an unknown scheme.
  for (const { name, header = '', wantParams } of rows) {
    const [first] = parsed(header);
    if (first?.scheme === 'bearer') assert.deepEqual(first.parameters, wantParams ?? {}, name);
  }
  interface Challenge {
    readonly authType: string;
    readonly params: Readonly<Record<string, string>>;
  }
  interface Several {
    readonly name: string;
    readonly in: string;
    readonly wantC: readonly Challenge[];
  }
  const several = vectorRows<Several>('challenge', 'regclient/regclient', 'TestParseAuthHeader', {
    fields: ['in', 'wantC'],
  });
  // A quoted scheme is no scheme (RFC 9110); what is cut off is used as far as it goes.
  const differing = ['Quoted auth type and key', 'Missing commas', 'Missing close quote'];
  for (const { name, in: header, wantC } of several) {
    if (differing.includes(name) || name === 'Missing value after escape') continue;
    const wanted = wantC.map(({ authType, params }) => ({ scheme: authType, parameters: params }));
    assert.deepEqual(parsed(header), wanted, name);
  }
});
