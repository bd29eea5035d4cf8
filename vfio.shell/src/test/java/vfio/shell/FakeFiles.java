package vfio.shell;

import java.nio.file.Path;
import java.util.List;
import vfio.pci.api.manage.BundleFiles;
import vfio.pci.api.pci.PciDevice;

/** Files as a test wants them; those that are available are so for every device. */
final class FakeFiles implements BundleFiles {
    private final List<BundleFile> files;

    FakeFiles(BundleFile... files) {
        this.files = List.of(files);
    }

    static BundleFile file(String path, String bundle, State state, String reason) {
        Folder folder = path.startsWith("deploy/") ? Folder.DEPLOY : Folder.REPOSITORY;
        return new BundleFile(Path.of("/opt/vfio-mediate", path), folder, bundle, -1, state, reason);
    }

    @Override
    public List<BundleFile> files() {
        return files;
    }

    @Override
    public List<BundleFile> loadable(PciDevice device) {
        return files.stream().filter(file -> file.state() == State.AVAILABLE).toList();
    }
}
