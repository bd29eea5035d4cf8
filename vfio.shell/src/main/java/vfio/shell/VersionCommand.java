package vfio.shell;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Optional;
import org.apache.felix.service.command.Descriptor;
import org.apache.felix.service.command.annotations.GogoCommand;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;

/** The command to quote in a bug report. */
@Component(service = VersionCommand.class, immediate = true)
@GogoCommand(scope = "vfio", function = "version")
public final class VersionCommand {
    private static final String VENDOR = "Bundle-Vendor";

    private final BundleContext context;

    /** Looks at the bundles of a framework. */
    @Activate
    public VersionCommand(BundleContext context) {
        this.context = context;
    }

    /** {@code vfio:version}. */
    @Descriptor("lists the bundles of this project with their versions and Git revisions")
    public Listing<BundleRow> version() {
        Optional<String> vendor = BundleRow.header(context.getBundle(), VENDOR);
        return new Listing<>(
                Arrays.stream(context.getBundles())
                        .filter(bundle -> BundleRow.header(bundle, VENDOR).equals(vendor))
                        .map(BundleRow::of)
                        .sorted(Comparator.comparing(BundleRow::bundle))
                        .toList(),
                "No bundle bears the vendor name of this one.");
    }

    /** Called by Gogo when the arguments fit no other method. */
    @SuppressWarnings({"DoNotCallSuggester", "MemberName"})
    public Object _main(String[] words) {
        throw CommandTable.named(words[0]).misused();
    }
}
