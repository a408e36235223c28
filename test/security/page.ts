import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { POINTERS } from './pointers.ts';

/** One row of the tests, as it stands in their text. */
interface Proof {
  readonly part: string;
  readonly ids: string;
  readonly title: string;
  readonly file: string;
}

const CHAPTERS: Readonly<Record<string, string>> = {
  Credentials: 'Where credentials go',
  TLS: 'TLS and plain http',
  Names: 'Digests, names and annotations',
  Content: 'Content that is not what it says',
  Archives: 'Archives, contexts and layers',
  Limits: 'Memory, disk and time',
  Programs: 'Credential helpers and other programs',
  Output: 'Secrets and foreign text in outputs',
  Files: 'Files and modes',
  Server: 'The embedded registry',
};

const TEXT = String.raw`(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)")`;
const ROW = new RegExp(String.raw`^\s*row\(\s*${TEXT},\s*${TEXT},\s*${TEXT},`, 'gm');

/** What {@link POINTERS} name; a test that isn't there any more is an error. */
function proofsElsewhere(): readonly Proof[] {
  const root = path.resolve(import.meta.dirname, '../..');
  for (const { file, title } of POINTERS) {
    const text = readFileSync(path.join(root, file), 'utf8');
    if (!text.includes(`'${title}'`)) throw new Error(`${file} has no test "${title}"`);
  }
  return POINTERS;
}

/** All rows of the files beside this one; one that can't be read is an error. */
function proofs(): readonly Proof[] {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts'));
  return files.sort().flatMap((name) => {
    const text = readFileSync(path.join(import.meta.dirname, name), 'utf8');
    const found = [...text.matchAll(ROW)].map(([, ...texts]) => {
      const [part = '', ids = '', title = ''] = [0, 2, 4].map((at) => texts[at] ?? texts[at + 1]);
      return { part, ids, title: title.replaceAll("\\'", "'"), file: `test/security/${name}` };
    });
    const calls = text.match(/^\s*row\(/gm)?.length ?? 0;
    if (found.length !== calls) throw new Error(`${name}: the names of its rows are plain texts`);
    return found;
  });
}

/** `docs/security.md`, made from the names of the tests. */
export function securityPage(): string {
  const all = [...proofs(), ...proofsElsewhere()];
  const unknown = all.filter(({ part }) => !Object.hasOwn(CHAPTERS, part));
  if (unknown.length > 0) throw new Error(`no chapter ${unknown[0]?.part}`);
  const chapters = Object.entries(CHAPTERS).map(([part, heading]) => {
    const rows = new Map<string, string>();
    for (const proof of all.filter((one) => one.part === part)) {
      const proved = `${proof.title[0]?.toUpperCase()}${proof.title.slice(1)}`;
      rows.set(`${proof.ids} ${proved}`, `| ${proved} | ${proof.ids} | \`${proof.file}\` |`);
    }
    const lines = [...rows.values()].join('\n');
    return `## ${heading}\n\n| what is proved | holes of this kind elsewhere | test |\n|---|---|---|\n${lines}\n`;
  });
  return `${INTRODUCTION}\n${chapters.join('\n')}`;
}

const INTRODUCTION = `# Security

<!-- Made by npm run docs:security from the names of the tests in test/security. -->

These rules hold everywhere in Slipway:

1. A credential belongs to one origin: scheme, host and port. Logins, headers that you configured and
   client certificates go to the registry that they are for, and not along with a redirect, an upload's
   Location, a next page or the address of a foreign layer.
2. The one exception is the token service that a registry names. It is given the login if it is on the
   registry's own origin or site, or a known partner (\`--token-realm auto\`); others are asked without
   one. Behind a registry with TLS a token service without it is not asked at all.
3. https never turns into http by itself. Plain http is for this machine, and for hosts that you name.
4. Nothing that may hold a secret is printed: of a URL no login and no query value but a few that are
   known to be harmless, of headers those on a list, of files with logins only the place of a mistake.
   Below that, what a run knows to be a secret is taken out of everything that it writes, in every
   encoding in which it could stand there (\`docs/decisions/0017-redaction.md\`).
5. Text from registries and archives is made harmless before it is shown, for terminals and CI systems.

6. A digest is a value that was parsed, and bytes have the digest that they hash to here. No name, tag,
   title or digest from elsewhere becomes a path or a part of a URL before it was checked.
7. An archive is never unpacked: it is read where it lies, and refused where readers could disagree.
8. Every read has a cap, in bytes, entries, levels, pages, redirects and time.

Each row below is a test. Where a registry is attacked or attacks, the command runs against it, and
where a login could go astray, somebody else's server writes down all that arrives. The identifiers are
advisories of other tools for the same kind of mistake. \`slipway --debug\` shows what is sent where.

Beside these, \`test/security/fuzz\` changes manifests, indexes, configs, references, headers, Dockerfiles
and archives at random, up to a hundred thousand of each in \`npm run test:long\`: each is read, or refused in
our words, in time, and nothing is written outside of its folder.
`;
