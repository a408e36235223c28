import { collect } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import { type ImageFile, type LookedAt, textOf } from './image-files.ts';
import { rpmVersion } from './rpm.ts';

const MAX_DATABASE_BYTES = 64 * 1024 * 1024;
const MAX_STATUS_BYTES = 1024 * 1024;

/** Where package managers write down what is installed. */
const APK = ['lib/apk/db/installed', 'usr/lib/apk/db/installed'];
const DPKG = 'var/lib/dpkg/status';
/** Images without a package manager have one file for each package here. */
const DPKG_PARTS = 'var/lib/dpkg/status.d';
const RPM = ['usr/lib/sysimage/rpm', 'var/lib/rpm'];
const RPM_SQLITE = 'rpmdb.sqlite';
const RPM_OTHERS: Readonly<Record<string, string>> = {
  Packages: 'BerkeleyDB',
  'Packages.db': 'ndb',
};

/**
 * The version of a package that is installed in an image, as apk, dpkg or rpm wrote it down.
 *
 * @throws SlipwayError `NOT_FOUND`, `UNSUPPORTED` for databases of rpm that aren't SQLite
 */
export async function packageVersion(
  image: LookedAt,
  name: string,
  spoolDir: string,
): Promise<string> {
  const looked: string[] = [];
  for (const path of APK) {
    const file = await image.file(path);
    if (file === undefined) continue;
    looked.push('apk');
    const version = apkVersion(await textOf(file, MAX_DATABASE_BYTES), name);
    if (version !== undefined) return version;
  }
  const status = await dpkgStatus(image);
  if (status !== undefined) {
    looked.push('dpkg');
    const version = dpkgVersion(status, name);
    if (version !== undefined) return version;
  }
  const rpm = await rpmDatabase(image);
  if (rpm !== undefined) {
    looked.push('rpm');
    const version = await rpmVersion(rpm, name, spoolDir);
    if (version !== undefined) return version;
  }
  const shown = JSON.stringify(name);
  if (looked.length > 0) {
    throw new SlipwayError(
      'NOT_FOUND',
      `${image.name} has no package ${shown} (${looked.join(', ')})`,
      {
        side: 'source',
      },
    );
  }
  throw new SlipwayError('NOT_FOUND', `${image.name} has no database of apk, dpkg or rpm`, {
    side: 'source',
    hint: `take the version of ${shown} from a file, a label or a command instead`,
  });
}

/** apk writes paragraphs of `P:NAME`, `V:VERSION` …. */
function apkVersion(database: string, name: string): string | undefined {
  for (const paragraph of database.split(/\n\n+/)) {
    const lines = paragraph.split('\n');
    if (lines.includes(`P:${name}`)) return lines.find((line) => line.startsWith('V:'))?.slice(2);
  }
  return undefined;
}

/** dpkg writes paragraphs of `Package: NAME`, `Status: … installed`, `Version: …`. */
function dpkgVersion(database: string, name: string): string | undefined {
  for (const paragraph of database.split(/\n\n+/)) {
    const field = (key: string): string | undefined =>
      new RegExp(`^${key}: *(.*)$`, 'm').exec(paragraph)?.[1]?.trim();
    if (field('Package') !== name) continue;
    const status = field('Status');
    // What was removed leaves its settings, and its paragraph.
    if (status !== undefined && !/\binstalled$/.test(status)) continue;
    return field('Version');
  }
  return undefined;
}

async function dpkgStatus(image: LookedAt): Promise<string | undefined> {
  const file = await image.file(DPKG);
  const texts = file === undefined ? [] : [await textOf(file, MAX_DATABASE_BYTES)];
  for (const [name, node] of await image.folder(DPKG_PARTS)) {
    if (name.endsWith('.md5sums')) continue;
    texts.push((await collect(node.open(), MAX_STATUS_BYTES, name)).toString());
  }
  return texts.length === 0 ? undefined : texts.join('\n\n');
}

async function rpmDatabase(image: LookedAt): Promise<ImageFile | undefined> {
  let other: string | undefined;
  for (const folder of RPM) {
    const found = await image.file(`${folder}/${RPM_SQLITE}`);
    if (found !== undefined) return found;
    for (const [name, kind] of Object.entries(RPM_OTHERS)) {
      if ((await image.file(`${folder}/${name}`)) !== undefined) other ??= kind;
    }
  }
  if (other === undefined) return undefined;
  throw new SlipwayError('UNSUPPORTED', `${image.name} has an rpm database of the kind ${other}`, {
    side: 'source',
    hint: "only SQLite, rpm's default since 4.16, is read; take the version from a label, a file or a command",
  });
}
