package vfio.shell;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.CommandSessionListener;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.HotPlug;
import vfio.pci.api.manage.HotPlug.Place;
import vfio.shell.CommandTable.Argument;

/**
 * Completes the arguments of our commands in shells of gogo.jline, and describes the commands there.
 *
 * <p>gogo.jline keeps completions in each interactive session, in a variable that it fills through the command {@code
 * complete}. So a session is taught ours before it executes its first command. Other sessions lack the variable and are left
 * alone.
 */
@Component(service = CommandSessionListener.class, immediate = true)
public final class Completion implements CommandSessionListener {
    private static final Logger LOG = System.getLogger(Completion.class.getName());

    /** Where gogo.jline keeps the completions of a session. */
    private static final String COMPLETIONS = ".completions";

    /** Where a session that was taught finds this object. */
    private static final String SELF = ".vfioCompletion";

    /** What the shell evaluates to complete an argument. */
    private static final String CANDIDATES = "$" + SELF + " candidates ($.commandLine wordIndex) ($.commandLine words)";

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable DeviceManager manager;

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable HotPlug hotPlug;

    @Override
    public void beforeExecute(CommandSession session, CharSequence command) {
        if (!isInteractive(session) || session.get(SELF) == this) {
            return;
        }
        session.put(SELF, this);
        try {
            session.execute(script());
        } catch (Exception e) {
            LOG.log(Level.DEBUG, "arguments of vfio commands will not be completed in this session", e);
        }
    }

    @Override
    public void afterExecute(CommandSession session, CharSequence command, Exception exception) {}

    @Override
    public void afterExecute(CommandSession session, CharSequence command, @Nullable Object result) {}

    /**
     * What may stand at a position of a command line. Called by the shell.
     *
     * @param index position of the word to complete; the command is word 0
     * @param words the command line
     */
    public List<String> candidates(int index, List<?> words) {
        List<Argument> arguments = CommandTable.named(words.get(0).toString()).arguments();
        int position = index - 1 - options(words.subList(0, Math.min(index, words.size())));
        if (position < 0 || position >= arguments.size()) {
            return List.of();
        }
        return switch (arguments.get(position)) {
            case DEVICE -> deviceNames();
            case REGION -> Arguments.regionNames();
            case PLUGGED -> places(Place::present);
            case UNPLUGGED -> places(place -> !place.present());
            case PHYSICAL -> places(place -> place.virtualFunctionMaximum() > 0);
            case OTHER -> List.of();
        };
    }

    /** Whether somebody sits at a terminal. */
    static boolean isInteractive(CommandSession session) {
        return session.get(COMPLETIONS) instanceof Map;
    }

    private static int options(List<?> words) {
        return (int)
                words.stream().filter(word -> word.toString().startsWith("--")).count();
    }

    private List<String> deviceNames() {
        DeviceManager present = manager;
        return present == null
                ? List.of()
                : present.devices().stream()
                        .map(device -> device.address().toString())
                        .toList();
    }

    private List<String> places(Predicate<Place> wanted) {
        HotPlug present = hotPlug;
        return present == null
                ? List.of()
                : present.places().stream()
                        .filter(wanted)
                        .map(place -> place.function().address().toString())
                        .toList();
    }

    private static String script() {
        StringBuilder script = new StringBuilder();
        for (CommandTable.Command command : CommandTable.COMMANDS) {
            String complete = "gogo:complete -c " + command.fullName();
            script.append(complete).append(" -e\n");
            script.append(complete).append(" -d '" + command.description() + "'\n");
            if (!command.arguments().isEmpty()) {
                script.append(complete).append(" -a '" + CANDIDATES + "'\n");
            }
        }
        return script.toString();
    }
}
