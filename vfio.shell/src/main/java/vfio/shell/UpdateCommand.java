package vfio.shell;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.apache.felix.service.command.Descriptor;
import org.apache.felix.service.command.annotations.GogoCommand;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.BundleUpdater;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.OpenDevice;

/** Updates bundles under running guests, and refuses where that would take their devices away. */
@Component(service = UpdateCommand.class, immediate = true)
@GogoCommand(scope = "vfio", function = "update")
public final class UpdateCommand {
    private static final Logger LOG = System.getLogger(UpdateCommand.class.getName());

    private final BundleContext context;

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable DeviceManager manager;

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable BundleUpdater updater;

    /** Updates the bundles of a framework. */
    @Activate
    public UpdateCommand(BundleContext context) {
        this.context = context;
    }

    /** {@code vfio:update}. */
    @Descriptor("lists the bundles and says which can be updated now without taking a device from a guest")
    public Listing<UpdateRow> update() {
        UpdateSafety safety = safety();
        return new Listing<>(
                Arrays.stream(context.getBundles())
                        .map(bundle -> UpdateRow.of(bundle, safety.objection(bundle)))
                        .toList(),
                "There is no bundle.");
    }

    /** {@code vfio:update BUNDLE}. */
    @Descriptor("updates a bundle from where it was installed from")
    public UpdateReport update(@Descriptor("symbolic name or id") String bundle) {
        return update(bundle, Optional.empty());
    }

    /** {@code vfio:update BUNDLE FILE}. */
    @Descriptor("updates a bundle from a file")
    public UpdateReport update(
            @Descriptor("symbolic name or id") String bundle, @Descriptor("jar with the new version") String file) {
        return update(bundle, Optional.of(Path.of(file).toAbsolutePath()));
    }

    /** Called by Gogo when the arguments fit no other method. */
    @SuppressWarnings({"DoNotCallSuggester", "MemberName"})
    public Object _main(String[] words) {
        throw CommandTable.named(words[0]).misused();
    }

    private UpdateReport update(String name, Optional<Path> file) {
        Bundle bundle = find(name);
        UpdateSafety safety = safety();
        safety.objection(bundle).ifPresent(why -> {
            throw new CommandException(bundle.getSymbolicName() + " is not updated: " + why);
        });
        BundleUpdater presentUpdater = updater;
        if (presentUpdater == null) {
            throw new CommandException(
                    "there is nobody who updates bundles: is the bundle vfio.pci.repository active? See felix:lb");
        }
        Collection<Bundle> restarted = safety.dependents(bundle);
        if (restarted.contains(context.getBundle())) {
            // The command ends with the bundle it comes from, so somebody else has to go on.
            new Thread(() -> runQuietly(presentUpdater, bundle, file), "vfio update").start();
            return new UpdateReport(
                    "this shell ends and comes back with the new " + bundle.getSymbolicName() + "; the log tells",
                    List.of());
        }
        DeviceManager present = manager;
        if (present == null) {
            return new UpdateReport(run(presentUpdater, bundle, file), List.of());
        }
        Handed handed = Handed.before(present, restarted);
        String outcome;
        try {
            outcome = run(presentUpdater, bundle, file);
        } catch (CommandException failed) {
            throw new CommandException(new UpdateReport(failed.toString(), handed.after()).inspect());
        }
        return new UpdateReport(outcome, handed.after());
    }

    private static String run(BundleUpdater updater, Bundle bundle, Optional<Path> file) {
        try {
            BundleUpdater.Update update = updater.update(bundle.getBundleId(), file);
            return bundle.getSymbolicName() + " is updated to " + update.after()
                    + (update.after().equals(update.before()) ? "" : " from " + update.before())
                    + (update.restarted().isEmpty()
                            ? ""
                            : "; restarted with it: " + String.join(", ", update.restarted()));
        } catch (VfioException e) {
            throw new CommandException(e);
        }
    }

    private static void runQuietly(BundleUpdater updater, Bundle bundle, Optional<Path> file) {
        try {
            LOG.log(Level.INFO, run(updater, bundle, file));
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, e.getMessage());
        }
    }

    private Bundle find(String name) {
        List<Bundle> meant = Arrays.stream(context.getBundles())
                .filter(bundle ->
                        name.equals(bundle.getSymbolicName()) || name.equals(Long.toString(bundle.getBundleId())))
                .toList();
        if (meant.isEmpty()) {
            throw new CommandException("there is no bundle " + name + "; vfio:update lists those there are");
        }
        if (meant.size() > 1) {
            throw new CommandException(name + " is installed in several versions; name one by its id: "
                    + meant.stream()
                            .map(bundle -> bundle.getBundleId() + " is " + bundle.getVersion())
                            .toList());
        }
        return meant.get(0);
    }

    private UpdateSafety safety() {
        DeviceManager present = manager;
        List<OpenDevice> open = new ArrayList<>();
        if (present != null) {
            present.devices().forEach(device -> present.opened(device.address()).ifPresent(open::add));
        }
        return new UpdateSafety(context, open);
    }
}
