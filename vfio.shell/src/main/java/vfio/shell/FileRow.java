package vfio.shell;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.manage.BundleFiles;
import vfio.pci.api.manage.BundleFiles.BundleFile;

/**
 * A file in a folder for bundles.
 *
 * @param file folder and name
 * @param bundle symbolic name and version
 * @param state what became of it
 * @param reason why, as a sentence
 */
record FileRow(String file, String bundle, String state, String reason) implements Row {
    static FileRow of(BundleFile file) {
        Path path = file.file();
        return new FileRow(
                path.subpath(Math.max(0, path.getNameCount() - 2), path.getNameCount())
                        .toString(),
                file.bundle().isEmpty() ? Cell.NONE : file.bundle(),
                file.state().name().toLowerCase(Locale.ROOT).replace('_', ' '),
                file.reason());
    }

    /** All files; nothing if there are none, or nobody knows about them. */
    static String table(@Nullable BundleFiles files) {
        List<FileRow> rows = files == null
                ? List.of()
                : files.files().stream().map(FileRow::of).toList();
        return new Listing<>(rows, "").inspect();
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.text("file", file),
                Cell.text("bundle", bundle),
                Cell.text("state", state),
                Cell.text("reason", reason));
    }
}
