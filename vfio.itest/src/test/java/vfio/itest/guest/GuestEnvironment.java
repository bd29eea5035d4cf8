package vfio.itest.guest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * What is needed for guests: QEMU, a kernel, the base of an initramfs.
 *
 * @param values what {@code guest/prepare} printed
 */
record GuestEnvironment(Map<String, String> values) {
    /** The series of the kernel that has iommufd. */
    static final String IOMMUFD = "6.12-iommufd";

    /** The first time everything is fetched over the network. */
    private static final Duration PREPARE = Duration.ofMinutes(10);

    private static final Duration INITRAMFS = Duration.ofSeconds(20);
    private static final Duration IMAGE = Duration.ofMinutes(2);
    private static final int CANNOT_BE_HAD = 75;

    /** Runs once in a test run; whoever asks later gets the same outcome. */
    private static final class Prepared {
        static final Command.Result RESULT = prepare(List.of());
    }

    private static final class PreparedIommufd {
        static final Command.Result RESULT = prepare(List.of("--kernel", IOMMUFD));
    }

    /**
     * Skips the tests of a class if there can be no guest here, and then {@code target/guest-skipped.txt} says why. Any other
     * problem is left to {@link #require}, which fails. A condition and not an assumption: a class whose preparation is aborted
     * by an assumption is missing in the report instead of being skipped.
     */
    static final class Condition implements ExecutionCondition {
        @Override
        public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
            Command.Result result = Prepared.RESULT;
            if (result.status() != CANNOT_BE_HAD) {
                withdrawReport();
                return ConditionEvaluationResult.enabled("guests can be had here");
            }
            report(result.messages());
            return ConditionEvaluationResult.disabled("no guest can be had here: " + result.messages());
        }
    }

    /** Skips the tests of a class that needs a kernel with iommufd, if none has been compiled here. */
    static final class IommufdCondition implements ExecutionCondition {
        @Override
        public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
            Command.Result result = PreparedIommufd.RESULT;
            return result.status() == CANNOT_BE_HAD
                    ? ConditionEvaluationResult.disabled(result.messages().strip())
                    : ConditionEvaluationResult.enabled("there is a kernel with iommufd");
        }
    }

    /** The environment; fails if there is none. */
    static GuestEnvironment require() {
        return of(Prepared.RESULT);
    }

    /**
     * The environment with another kernel; fails if there is none.
     *
     * @param series of the kernel
     * @param modules that are loaded before the guest takes commands
     */
    static GuestEnvironment require(String series, List<String> modules) {
        return of(prepare(List.of("--kernel", series, "--modules", String.join(",", modules))));
    }

    private static Command.Result prepare(List<String> arguments) {
        List<String> command = new ArrayList<>(List.of(Places.guestScript("prepare")));
        command.addAll(arguments);
        return Command.run(PREPARE, command);
    }

    private static GuestEnvironment of(Command.Result result) {
        if (result.status() != 0) {
            throw new AssertionError("guest/prepare ended with " + result.status() + ": " + result.messages());
        }
        return new GuestEnvironment(result.lines().stream()
                .map(line -> line.split("=", 2))
                .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1])));
    }

    String qemu() {
        return values.get("qemu");
    }

    String kernel() {
        return values.get("kernel");
    }

    String kernelArguments() {
        return values.get("kernel_arguments");
    }

    /** Makes an initramfs that runs a script. */
    Path initramfs(Path folder, String script) {
        try {
            Path source = Files.writeString(folder.resolve("test.sh"), script);
            Path initramfs = folder.resolve("initramfs.cpio");
            Command.succeed(
                    INITRAMFS,
                    List.of(
                            Places.guestScript("initramfs"),
                            values.get("initramfs"),
                            source.toString(),
                            initramfs.toString()));
            return initramfs;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Makes a file system with a Java that runs in the guest.
     *
     * @param contents what it holds besides, by name
     */
    Path javaImage(Path folder, Map<String, Path> contents) {
        Path image = folder.resolve("java.img");
        List<String> command = new ArrayList<>(
                List.of(Places.guestScript("image"), Path.of(qemu()).getParent().toString(), image.toString()));
        contents.forEach((name, path) -> command.add(name + "=" + path));
        Command.succeed(IMAGE, command);
        return image;
    }

    private static void withdrawReport() {
        try {
            Files.deleteIfExists(Places.skipReport());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void report(String reason) {
        try {
            Files.createDirectories(Places.skipReport().getParent());
            Files.writeString(Places.skipReport(), reason);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
