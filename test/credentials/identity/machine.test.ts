import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { machineCloud } from '../../../src/credentials/identity/machine.ts';
import { tempDir } from '../../rig/lifetime.ts';

test('the firmware of a machine tells its cloud', async (t) => {
  for (const [file, text, cloud] of [
    ['sys_vendor', 'Amazon EC2', 'aws'],
    ['bios_version', '4.11.amazon', 'aws'],
    ['product_name', 'Google Compute Engine', 'google'],
    ['product_name', 'Google', 'google'],
    ['chassis_asset_tag', '7783-7084-3265-9085-8269-3286-77', 'azure'],
    // Hyper-V runs elsewhere too.
    ['sys_vendor', 'Microsoft Corporation', undefined],
    ['sys_vendor', 'Not Amazon EC2', undefined],
    ['product_name', 'Google Compute Engineering', undefined],
    ['chassis_asset_tag', '', undefined],
  ] as const) {
    const folder = await tempDir(t);
    await writeFile(path.join(folder, file), `${text}\n`);
    assert.equal(await machineCloud(folder), cloud, `${file}: ${text}`);
  }
});

test('a machine that tells nothing is in no cloud', async (t) => {
  assert.equal(await machineCloud(await tempDir(t)), undefined);
  assert.equal(await machineCloud('/nowhere/at/all'), undefined);
});
