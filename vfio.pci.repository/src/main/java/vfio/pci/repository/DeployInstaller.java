package vfio.pci.repository;

import java.io.File;
import org.apache.felix.fileinstall.ArtifactInstaller;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * Takes over from File Install what happens to the bundles of the watched folder; File Install says when a file has come,
 * has changed and does not change any more, or has gone.
 *
 * <p>Left to itself it uninstalls a bundle whose file is overwritten by something that is no bundle (yet), takes a bundle of
 * another folder for the file's if name and version are the same, and logs a bundle that does not start again and again.
 */
@Component(service = ArtifactInstaller.class)
public final class DeployInstaller implements ArtifactInstaller {
    private final BundleFolders folders;
    private final DeployComponent deploy;

    /** Passes on to the component that carries it out. */
    @Activate
    public DeployInstaller(@Reference BundleFolders folders, @Reference DeployComponent deploy) {
        this.folders = folders;
        this.deploy = deploy;
    }

    @Override
    public boolean canHandle(File artifact) {
        return folders.deploy().contains(artifact.toPath());
    }

    @Override
    public void install(File artifact) {
        deploy.changed(artifact.toPath());
    }

    @Override
    public void update(File artifact) {
        deploy.changed(artifact.toPath());
    }

    @Override
    public void uninstall(File artifact) {
        deploy.gone(artifact.toPath());
    }
}
