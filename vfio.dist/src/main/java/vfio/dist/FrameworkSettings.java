package vfio.dist;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.osgi.framework.Constants;

/** The framework's properties: those of {@code config.properties}, and over them those that say where things are. */
final class FrameworkSettings {
    static final String FILE = "config.properties";

    private FrameworkSettings() {}

    static Map<String, String> of(Layout layout, SocketDirectory sockets, StandardInput input) throws LaunchException {
        List<Path> configurations = layout.configurations();
        Path cache = layout.cache(sockets);
        Map<String, String> settings = read(layout.settings(FILE));
        settings.put("vfio.home", layout.home().toString());
        settings.put("vfio.etc.dir", layout.etc().toString());
        settings.put("vfio.var.dir", layout.var().toString());
        settings.put("vfio.socket.dir", sockets.path().toString());
        settings.put("vfio.repository.dir", layout.repository().toString());
        settings.put("vfio.headless", Boolean.toString(input == StandardInput.NONE));
        settings.put("vfio.prompt", input == StandardInput.TERMINAL ? "vfio> " : "");
        settings.put(Constants.FRAMEWORK_STORAGE, cache.resolve("framework").toString());
        settings.put(Constants.FRAMEWORK_STORAGE_CLEAN, Constants.FRAMEWORK_STORAGE_CLEAN_ONFIRSTINIT);
        settings.put(Constants.FRAMEWORK_BEGINNING_STARTLEVEL, Integer.toString(BundleFolder.RUNTIME_LEVEL));
        settings.put("configurator.initial", urls(configurations));
        settings.put("vfio.configurations", pids(configurations));
        settings.put("felix.fileinstall.dir", layout.deploy().toString());
        settings.put("felix.fileinstall.tmpdir", cache.resolve("fileinstall").toString());
        settings.put(
                "org.ops4j.pax.logging.StaticLogbackFile",
                layout.settings("logback.xml").toString());
        settings.put("gosh.home", layout.home().toString());
        return settings;
    }

    private static Map<String, String> read(Path file) throws LaunchException {
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        } catch (IOException | IllegalArgumentException e) {
            throw new LaunchException(ExitStatus.CONFIGURATION, "cannot read " + file + ": " + e);
        }
        Map<String, String> settings = new HashMap<>();
        properties.stringPropertyNames().forEach(name -> settings.put(name, properties.getProperty(name)));
        return settings;
    }

    /** What the report of readiness waits for. */
    private static String pids(List<Path> files) throws LaunchException {
        List<String> pids = new ArrayList<>();
        for (Path file : files) {
            pids.addAll(Layout.pids(file));
        }
        return String.join(",", pids);
    }

    /** The Configurator splits at commas; an empty list means that there is nothing to configure. */
    private static String urls(List<Path> files) {
        return files.stream()
                .map(file -> file.toUri().toString().replace(",", "%2C"))
                .collect(Collectors.joining(","));
    }
}
