package vfio.host;

import java.util.ArrayDeque;
import vfio.linux.ControlFile;

/** What is closed again if the rest fails, the last first. */
final class OpenFiles implements AutoCloseable {
    private final ArrayDeque<ControlFile> files = new ArrayDeque<>();

    ControlFile add(ControlFile file) {
        files.push(file);
        return file;
    }

    @Override
    public void close() {
        files.forEach(ControlFile::close);
    }
}
