import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showText } from '../../src/http/shown.ts';
import { importsOf, sourceFiles } from './sources.ts';

interface Rule {
  readonly name: string;
  readonly pattern: RegExp;
  /** files or folders under `src/` where it is allowed */
  readonly allowed: readonly string[];
}

const RULES: readonly Rule[] = [
  { name: 'console', pattern: /\bconsole\s*[.[]/, allowed: [] },
  { name: 'printing', pattern: /\bprocess\.(?:stdout|stderr)\b/, allowed: ['cli/'] },
  {
    // Signal 0 ends nobody: it asks whether a process is there.
    name: 'ending a process',
    pattern: /\bprocess\.(?:exit|abort)\b|\bprocess\.kill\((?![^()]*, 0\))/,
    // A credential helper is ended with all that it started.
    allowed: ['cli/', 'credentials/program.ts'],
  },
  // One place makes TLS options, so that one place can be read to know when checks are off.
  { name: 'switching TLS checks off', pattern: /\brejectUnauthorized\b/, allowed: ['http/tls.ts'] },
  { name: 'TLS by environment', pattern: /NODE_TLS_REJECT_UNAUTHORIZED/, allowed: [] },
  {
    name: 'starting programs',
    pattern: /['"]node:child_process['"]/,
    allowed: ['engine/', 'credentials/', 'build/', 'run/', 'cli/'],
  },
  { name: 'a shell', pattern: /\bshell\s*:|\bexecSync\b|\bexec\s*,|\{\s*exec\s*\}/, allowed: [] },
  { name: 'code from text', pattern: /\beval\s*\(|\bnew\s+Function\b/, allowed: [] },
  {
    name: 'redirects by the library',
    pattern: /\bmaxRedirections\b|\binterceptors\.redirect\b/,
    allowed: [],
  },
  {
    name: 'fetch, which keeps custom headers on redirects',
    pattern: /(?<![.\w])fetch\s*\(\s*(?:url|`|'|"|new URL)/,
    allowed: [],
  },
  // URLs hold signatures and passwords: people see what http/shown.ts leaves of them.
  {
    name: 'the whole text of a URL',
    pattern: /\bhref\b/,
    // Pages are compared, uploads are sent and remembered.
    allowed: [
      'registry/referrers.ts',
      'registry/tags.ts',
      'registry/session.ts',
      'state/upload-sessions.ts',
    ],
  },
  {
    name: 'making text of a URL',
    pattern:
      /\bString\((?:\w+\.)*\w*(?:url|realm|location|proxy|origin)\)|(?:url|realm|location|proxy|origin|shown)\.to(?:String|JSON)\(\)|JSON\.stringify\((?:\w+\.)*\w*(?:url|realm|location|proxy|origin)\)/i,
    allowed: ['http/shown.ts'],
  },
  {
    name: 'a URL in a sentence',
    pattern: /\$\{(?:[\w?]+\.)*\w*(?:url|realm|location|proxy|redirect)\}/i,
    // Those of events are fit to be seen, those of our own server hold nothing; a Location is parsed.
    allowed: [
      'cli/report/plain.ts',
      'cli/commands/demo.ts',
      'cli/commands/registry.ts',
      'registry/location.ts',
    ],
  },
];

const files = sourceFiles();

for (const { name, pattern, allowed } of RULES) {
  test(`${name} ${allowed.length === 0 ? 'is nowhere' : `is only in ${allowed.join(', ')}`}`, () => {
    assert.ok(files.length > 10, 'the sources were not found');
    const found = files
      .filter((file) => !allowed.some((place) => file.name.startsWith(place)))
      .filter((file) => pattern.test(file.text))
      .map((file) => file.name);
    assert.deepEqual(found, []);
  });
}

test('the rules find what they forbid', () => {
  const examples: Record<string, string> = {
    console: 'console.log(1)',
    printing: 'process.stdout.write(a)',
    'ending a process': 'process.kill(pid, signal)',
    'switching TLS checks off': '{ rejectUnauthorized: false }',
    'TLS by environment': 'process.env.NODE_TLS_REJECT_UNAUTHORIZED',
    'starting programs': "import { spawn } from 'node:child_process'",
    'a shell': 'spawn(a, { shell: true })',
    'code from text': 'eval(text)',
    'redirects by the library': '{ maxRedirections: 3 }',
    'fetch, which keeps custom headers on redirects': 'await fetch(url)',
    'the whole text of a URL': 'emit(url.href)',
    'making text of a URL': 'fail(String(response.url))',
    'a URL in a sentence': `\`no answer from \${response.url}\``,
  };
  for (const { name, pattern } of RULES) assert.match(examples[name] ?? '', pattern, name);
});

test("Node's own modules are named with node:, packages stand in package.json", async () => {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
  const packages = { ...manifest.dependencies, ...manifest.peerDependencies };
  const wrong = files.flatMap((file) =>
    importsOf(file.text)
      .filter((target) => !target.startsWith('.') && !target.startsWith('node:'))
      .filter((target) => !Object.hasOwn(packages, packageOf(target)))
      .map((target) => `${file.name}: ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('packages that may be missing are imported when they are used', async () => {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
  for (const name of Object.keys(manifest.peerDependencies)) {
    const early = new RegExp(`(?:from|import)\\s*(['"])${name}(?:/[^'"]*)?\\1`);
    assert.match(`import { x } from '${name}';`, early);
    assert.deepEqual(
      files.filter(({ text }) => early.test(text)).map((file) => file.name),
      [],
    );
  }
});

function packageOf(target: string): string {
  return target.split('/', target.startsWith('@') ? 2 : 1).join('/');
}

test('no hint or message of ours loses words to redaction', () => {
  const literals = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\[\s\S])*)`/g;
  const said = files.flatMap(({ name, text }) =>
    [...text.matchAll(literals)].map(([, ...parts]) => `${name}: ${parts.join('')}`),
  );
  assert.ok(said.some((line) => line.includes('http://[USER:PASSWORD@]HOST:PORT')));
  const lost = said.filter((line) => / \S+ /.test(line) && showText(line) !== line);
  assert.deepEqual(lost, []);
});
