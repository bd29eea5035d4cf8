package vfio.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;

/** The objects that another JVM of this machine and user needs. */
final class LiveHeap {
    private static final String TOTAL = "Total";

    private LiveHeap() {}

    /**
     * Makes a JVM collect its garbage, all of it, and asks for what is left.
     *
     * @return MiB
     */
    static double collect(long pid) throws IOException {
        Path jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd");
        Process process = new ProcessBuilder(jcmd.toString(), Long.toString(pid), "GC.class_histogram")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String total = "";
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                total = line;
            }
        }
        if (!total.startsWith(TOTAL)) {
            throw new IllegalStateException(jcmd + " could not ask process " + pid + ": " + total);
        }
        String[] fields = total.trim().split(" +", -1);
        return Long.parseLong(fields[fields.length - 1]) / (double) (1 << 20);
    }
}
