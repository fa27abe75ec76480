"""The main job of the mesh, in six chapters: every line is a promise that was just kept over HTTP."""
