import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { mustRun } from '../rig/programs.ts';

/** An image as it is compared: what umoci unpacks of it, and its config. */
export interface Look {
  /** by path: kind, mode, owner, content or link, names of the same inode */
  readonly files: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, unknown>>;
  /** what was done, without BuildKit's mark and the values of ARG, which are kept out */
  readonly history: readonly string[];
}

/**
 * Looks at an image of a layout, with umoci and the file system.
 *
 * @param folder a fresh one, to unpack into
 * @param configured where skopeo finds its config
 */
export async function lookAt(
  folder: string,
  layout: string,
  tag: string,
  configured: string,
): Promise<Look> {
  const bundle = path.join(folder, 'bundle');
  const image = `${layout}:${tag}`;
  await mustRun('umoci', ['unpack', '--image', image, bundle]);
  const files: Record<string, string> = {};
  const inodes = new Map<number, string>();
  const root = path.join(bundle, 'rootfs');
  const visit = async (folder: string): Promise<void> => {
    for (const entry of (await readdir(folder)).sort()) {
      const file = path.join(folder, entry);
      const name = file.slice(root.length);
      const stats = await lstat(file);
      const mode = (stats.mode & 0o7777).toString(8);
      const owners = `${stats.uid}:${stats.gid}`;
      if (stats.isDirectory()) {
        files[name] = `folder ${mode} ${owners}`;
        await visit(file);
      } else if (stats.isSymbolicLink()) {
        files[name] = `link ${owners} -> ${await readlink(file)}`;
      } else {
        const hash = createHash('sha256')
          .update(await readFile(file))
          .digest('hex')
          .slice(0, 12);
        const same = stats.nlink > 1 ? ` is ${inodes.get(stats.ino) ?? name}` : '';
        if (stats.nlink > 1 && !inodes.has(stats.ino)) inodes.set(stats.ino, name);
        files[name] = `file ${mode} ${owners} ${hash}${same}`;
      }
    }
  };
  await visit(root);
  const raw = await mustRun('skopeo', ['inspect', '--config', '--raw', configured]);
  const json = JSON.parse(raw) as {
    config?: Record<string, unknown>;
    author?: string;
    history?: readonly { created_by?: string }[];
  };
  const config = { ...json.config, ...(json.author ? { Author: json.author } : {}) };
  return {
    files,
    config: Object.fromEntries(
      Object.entries(config)
        .map(([key, value]) => [key, value && withoutVersion(key, value)] as const)
        .filter(([key, value]) => !DROPPED.has(key) && !isEmpty(value))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
    history: (json.history ?? []).map(({ created_by: line = '' }) =>
      line.replace(/ # buildkit$/, '').replace(/^(ARG [^=]*)=.*/, '$1'),
    ),
  };
}

/**
 * Fields that say where or by what an image was built: the machine and the image before the last
 * step (docker's classic builder), that CMD is no text (BuildKit; it matters on Windows only), and
 * the version of buildah in a label.
 */
const DROPPED = new Set(['Hostname', 'Domainname', 'Image', 'ArgsEscaped']);
const DROPPED_LABEL = 'io.buildah.version';

function withoutVersion(key: string, value: unknown): unknown {
  if (key !== 'Labels') return value;
  const labels = Object.entries(value as object).filter(([name]) => name !== DROPPED_LABEL);
  return Object.fromEntries(labels.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === '' || value === false || value === 0) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
