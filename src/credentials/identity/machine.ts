import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Clouds whose machines ask a metadata service who they are. */
export type MachineCloud = 'aws' | 'google' | 'azure';

const FIRMWARE = '/sys/class/dmi/id';

/** What the firmware of a cloud's machines says of itself: file, text, cloud. */
const MARKS: readonly (readonly [file: string, text: RegExp, cloud: MachineCloud])[] = [
  ['sys_vendor', /^Amazon EC2$/, 'aws'],
  ['bios_version', /\.amazon$/, 'aws'],
  ['product_name', /^Google(?: Compute Engine)?$/, 'google'],
  ['chassis_asset_tag', /^7783-7084-3265-9085-8269-3286-77$/, 'azure'],
];

/**
 * The cloud that this machine stands in, by its firmware: a file is read and nobody is asked, for
 * elsewhere a metadata service's address belongs to somebody else.
 */
export async function machineCloud(folder: string = FIRMWARE): Promise<MachineCloud | undefined> {
  for (const [file, text, cloud] of MARKS) {
    const found = await readFile(path.join(folder, file), 'utf8').catch(() => '');
    if (text.test(found.trim())) return cloud;
  }
  return undefined;
}
