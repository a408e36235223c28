import { rawFile, rawHeader, rawPax } from '../bytes/tar-fixture.ts';

/** Entries of an archive that must not be read, by what is wrong with them. */
export type Entries = readonly Buffer[];

const link = (name: string, to: string) => rawHeader({ name, type: '2', link: to });
const hardLink = (name: string, to: string) => rawHeader({ name, type: '1', link: to });
const file = (name: string) => rawFile(name, 'planted');
const negative = Buffer.alloc(12, 0xff);
const huge = Buffer.from('800000007fffffffffffffff', 'hex');

/** Names that lead out, or to several places. */
export const NAMES: Readonly<Record<string, Entries>> = {
  'a name that climbs': [file('../planted')],
  'a name that climbs later': [file('a/../../planted')],
  'an absolute name': [file('/tmp/planted')],
  'a name of two slashes': [file('//tmp/planted')],
  'a drive': [file('C:planted')],
  'a drive with a path': [file('C:/planted')],
  backslashes: [file('..\\planted')],
  'an empty name': [rawPax({ path: '' }), file('x')],
  'two spellings of one name': [file('caf\u00e9'), file('cafe\u0301')],
  'a device': [rawHeader({ name: 'null', type: '3' })],
};

/** Links out of the archive, and what is written through them. */
export const LINKS: Readonly<Record<string, Entries>> = {
  'a file below a link': [link('x', '/tmp'), file('x/planted')],
  'a link that climbs': [link('x', '../../../etc/passwd')],
  'a file in the place of a link': [link('x', '/tmp/planted'), file('x')],
  'a link to a folder, and a file below': [link('a/b', '..'), file('a/b/planted')],
  'a loop': [link('a', 'b'), link('b', 'a')],
};

/** Links that look well one by one. */
export const CHAINS: Readonly<Record<string, Entries>> = {
  'a chain that leaves': [link('a', '.'), link('a/b', '..'), file('a/b/planted')],
  'a chain of three': [link('a', 'b'), link('b', 'c'), link('c', '../..')],
};

export const HARD_LINKS: Readonly<Record<string, Entries>> = {
  'to an absolute path': [hardLink('x', '/etc/passwd')],
  'that climbs': [hardLink('x', '../../etc/passwd')],
  'to a drive': [hardLink('x', 'C:secret')],
  'through a link': [link('s', '/etc'), hardLink('x', 's/passwd')],
};

/** The root as something else than a folder. */
export const ROOTS: Readonly<Record<string, Entries>> = {
  'a link called .': [link('.', '/tmp'), file('planted')],
  'a link called /': [link('/', '/tmp'), file('planted')],
  'a file called ./': [rawHeader({ name: '.', type: '0' })],
};

/** Headers that readers take for different entries. */
export const READINGS: Readonly<Record<string, Entries>> = {
  'a size of pax before a long name': [
    rawPax({ size: '0' }),
    rawFile('././@LongLink', 'a-long-name', { type: 'L' }),
    file('x'),
  ],
  'a size of pax that hides an entry': [
    rawPax({ size: '1536' }),
    rawHeader({ name: 'x' }),
    file('hidden'),
    Buffer.alloc(512, 'x'),
  ],
  'one path for all': [rawPax({ path: 'x' }, 'g'), file('y')],
  'a record that is too long': [rawFile('PaxHeader', '99 path=x\n', { type: 'x' }), file('y')],
  'a zero in a path': [rawPax({ path: 'x\0y' }), file('z')],
  'a file that is there twice': [file('x'), rawFile('x', 'other')],
};

export const NUMBERS: Readonly<Record<string, Entries>> = {
  'a negative size': [rawHeader({ name: 'x', sizeField: negative })],
  'a size of eight exabytes': [rawHeader({ name: 'x', sizeField: huge })],
  'a wrong checksum': [rawHeader({ name: 'x', checksum: 1 })],
  'twenty thousand folders in each other': [rawPax({ path: `${'a/'.repeat(20_000)}x` }), file('x')],
};

/** What would take more room than it has. */
export const LARGE: Readonly<Record<string, Entries>> = {
  'records of two megabytes': [rawPax({ comment: 'x'.repeat(2 ** 21) }), file('x')],
  'a sparse file of a terabyte': [
    rawPax({
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.realsize': '1099511627776',
    }),
    file('x'),
  ],
  'a sparse file of old GNU tar': [rawHeader({ name: 'x', type: 'S' })],
};
