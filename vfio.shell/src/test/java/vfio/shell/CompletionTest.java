package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.felix.service.command.CommandSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CompletionTest {
    private final Gogo gogo = new Gogo();
    private final Completion completion = new Completion();
    private final Complete complete = new Complete();
    private final CommandSession session = gogo.processor.createSession(
            InputStream.nullInputStream(), OutputStream.nullOutputStream(), OutputStream.nullOutputStream());

    /** Stands in for the command of gogo.jline. */
    public static final class Complete {
        final List<List<String>> calls = new ArrayList<>();

        public void complete(CommandSession session, String[] arguments) {
            calls.add(List.of(arguments));
        }
    }

    /** Stands in for the parsed line of gogo.jline. */
    public record CommandLine(int wordIndex, List<String> words) {}

    @BeforeEach
    void register() {
        completion.manager = gogo.manager;
        completion.hotPlug = gogo.bus;
        gogo.processor.addCommand("gogo", complete, "complete");
        gogo.processor.addListener(completion);
    }

    @AfterEach
    void stop() {
        gogo.close();
    }

    @Test
    void teachesAnInteractiveSessionOnce() throws Exception {
        session.put(".completions", new HashMap<>());

        session.execute("vfio:devices");
        session.execute("vfio:devices");

        assertThat(complete.calls).doesNotHaveDuplicates();
        assertThat(complete.calls)
                .contains(List.of("-c", "vfio:open", "-e"))
                .contains(List.of("-c", "vfio:open", "-d", "open a device from the shell"))
                .contains(List.of("-c", "vfio:version", "-d", "list bundles with their Git revisions"))
                .noneMatch(call -> call.contains("vfio:version") && call.contains("-a"));
    }

    @Test
    void leavesOtherSessionsAlone() throws Exception {
        session.execute("vfio:devices");

        assertThat(complete.calls).isEmpty();
    }

    @Test
    void theArgumentExpressionYieldsCandidates() throws Exception {
        session.put(".completions", new HashMap<>());
        session.execute("vfio:devices");
        Map<String, String> expressions = new HashMap<>();
        complete.calls.stream()
                .filter(call -> call.contains("-a"))
                .forEach(call -> expressions.put(call.get(1), call.get(3)));
        assertThat(expressions)
                .containsOnlyKeys(
                        "vfio:devices",
                        "vfio:qemu",
                        "vfio:explain",
                        "vfio:rebind",
                        "vfio:trap",
                        "vfio:migrate",
                        "vfio:migration",
                        "vfio:save",
                        "vfio:restore",
                        "vfio:open",
                        "vfio:close",
                        "vfio:regions",
                        "vfio:read",
                        "vfio:write",
                        "vfio:irqs",
                        "vfio:bind",
                        "vfio:unbind",
                        "vfio:vfs",
                        "sim:remove",
                        "sim:add",
                        "sim:vfs",
                        "sim:link",
                        "sim:reset",
                        "sim:written");

        assertThat(evaluate(expressions.get("vfio:open"), 1, "vfio:open", ""))
                .isEqualTo(List.of("0000:00:02.0", "0000:03:00.0", "0000:03:02.0"));
        assertThat(evaluate(expressions.get("vfio:read"), 2, "read", "0000:03:02.0", "b"))
                .isEqualTo(Arguments.regionNames());
        assertThat(evaluate(expressions.get("vfio:open"), 2, "open", "0000:03:02.0", ""))
                .isEqualTo(List.of());
    }

    @Test
    void simulatedFunctionsAreOfferedWhereTheyFit() {
        assertThat(completion.candidates(1, List.of("sim:remove", ""))).containsExactly("0000:00:02.0", "0000:03:00.0");
        assertThat(completion.candidates(2, List.of("remove", "--only", ""))).hasSize(2);
        assertThat(completion.candidates(2, List.of("remove", "3:0.0", ""))).isEmpty();
        assertThat(completion.candidates(1, List.of("sim:add", ""))).containsExactly("0000:03:02.0");
        assertThat(completion.candidates(1, List.of("sim:vfs", ""))).containsExactly("0000:03:00.0");
        assertThat(completion.candidates(1, List.of("sim:devices", ""))).isEmpty();
        assertThat(completion.candidates(1, List.of("devices", ""))).hasSize(3);
        completion.hotPlug = null;
        assertThat(completion.candidates(1, List.of("sim:remove", ""))).isEmpty();
    }

    @Test
    void withoutAManagerThereIsNothingToComplete() {
        completion.manager = null;

        assertThat(completion.candidates(1, List.of("vfio:open", ""))).isEmpty();
    }

    private Object evaluate(String expression, int index, String... words) throws Exception {
        session.put(".commandLine", new CommandLine(index, List.of(words)));
        return session.execute(expression);
    }
}
