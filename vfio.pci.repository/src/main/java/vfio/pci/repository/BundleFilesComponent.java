package vfio.pci.repository;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import vfio.pci.api.manage.BundleFiles;
import vfio.pci.api.pci.PciDevice;

/** Shows the files of both folders. Looks at them when it is asked. */
@Component(service = BundleFiles.class)
public final class BundleFilesComponent implements BundleFiles {
    private final BundleFolders folders;
    private final FileStatus status;

    /** Looks at these folders. */
    @Activate
    public BundleFilesComponent(@Reference BundleFolders folders, BundleContext context) {
        this.folders = folders;
        status = new FileStatus(folders, new BundleLife(context), new Drivers(context));
    }

    @Override
    public List<BundleFile> files() {
        return Stream.concat(folders.deploy().jars().stream().map(jar -> status.of(jar, Folder.DEPLOY)), repository())
                .toList();
    }

    @Override
    public List<BundleFile> loadable(PciDevice device) {
        Map<String, Candidate> best = Candidate.best(folders.matching(device.ids())).stream()
                .filter(candidate ->
                        folders.bundlesNamed(candidate.symbolicName()).isEmpty())
                .collect(Collectors.toMap(Candidate::location, candidate -> candidate));
        return repository()
                .filter(file -> best.containsKey(Locations.of(file.file())))
                .toList();
    }

    private Stream<BundleFile> repository() {
        return folders.repository().jars().stream().map(jar -> status.of(jar, Folder.REPOSITORY));
    }
}
