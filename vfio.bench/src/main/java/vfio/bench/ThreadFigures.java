package vfio.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What threads of another JVM of this machine and user have used up since they began.
 *
 * @param cpuMillis time on a CPU
 * @param allocatedBytes bytes of objects, rounded to what the JVM prints: KiB, from 10 MiB on MiB
 */
record ThreadFigures(double cpuMillis, double allocatedBytes) {
    private static final Pattern THREAD =
            Pattern.compile("\"([^\"]*)\" .*cpu=([0-9.]+)ms .*allocated=([0-9]+)([BKMG]) .*");
    private static final String UNITS = "BKMG";

    /** The sum of all Java threads whose names begin so. */
    static ThreadFigures of(long pid, String names) throws IOException {
        Path jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd");
        Process process = new ProcessBuilder(jcmd.toString(), Long.toString(pid), "Thread.print", "-e")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        double cpu = 0;
        double allocated = 0;
        boolean found = false;
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Matcher thread = THREAD.matcher(line);
                if (thread.matches() && thread.group(1).startsWith(names)) {
                    found = true;
                    cpu += Double.parseDouble(thread.group(2));
                    allocated += Math.scalb(Double.parseDouble(thread.group(3)), 10 * UNITS.indexOf(thread.group(4)));
                }
            }
        }
        if (!found) {
            throw new IllegalStateException("process " + pid + " has no thread called " + names);
        }
        return new ThreadFigures(cpu, allocated);
    }

    ThreadFigures since(ThreadFigures earlier) {
        return new ThreadFigures(cpuMillis - earlier.cpuMillis, allocatedBytes - earlier.allocatedBytes);
    }
}
