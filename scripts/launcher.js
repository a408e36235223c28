// Becomes dist/slipway.js, the file that `bin` names. The build flattens it to old syntax.
import './require-node.js';

/**
 * Keeps compiled code below the user's own cache folder. Node's default place is below the shared
 * temporary folder, where somebody else could put code of theirs first.
 */
function enableCompileCache(module, fs, os, path) {
  try {
    let folder = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
    if (!path.isAbsolute(folder)) return;
    // Not recursive: a home folder that isn't there stays away.
    if (!fs.existsSync(folder)) fs.mkdirSync(folder, { mode: 0o700 });
    for (const name of ['slipway', 'compile']) {
      folder = path.join(folder, name);
      if (!fs.existsSync(folder)) fs.mkdirSync(folder, { mode: 0o700 });
      const { uid, mode } = fs.statSync(folder);
      // os.userInfo() would read who else has an account.
      if (!process.geteuid || uid !== process.geteuid() || (mode & 0o022) !== 0) return;
    }
    module.enableCompileCache(folder);
  } catch (_) {
    // Without a cache the start takes some tens of milliseconds longer, and nothing else changes.
  }
}

// An import of these would load more than all of this file does.
const module = process.getBuiltinModule('node:module');
const fs = process.getBuiltinModule('node:fs');
const os = process.getBuiltinModule('node:os');
const path = process.getBuiltinModule('node:path');
enableCompileCache(module, fs, os, path);
import('./cli.js');
