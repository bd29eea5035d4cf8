package vfio.bench;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.jar.Manifest;

/** The bundles on the class path, by symbolic name. */
final class ClassPathBundles {
    private static final String MANIFEST = "META-INF/MANIFEST.MF";

    private final Map<String, Found> bundles = new HashMap<>();

    private record Found(String location, Manifest manifest) {}

    ClassPathBundles() {
        try {
            for (URL url :
                    Collections.list(ClassPathBundles.class.getClassLoader().getResources(MANIFEST))) {
                add(url);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Where a framework can install it from: the jar, or the folder of its classes as it is. */
    String location(String symbolicName) {
        return require(symbolicName).location();
    }

    /** The packages it exports, in the syntax of its manifest. */
    String exports(String symbolicName) {
        return require(symbolicName).manifest().getMainAttributes().getValue("Export-Package");
    }

    private void add(URL url) throws IOException {
        try (InputStream in = url.openStream()) {
            Manifest manifest = new Manifest(in);
            String name = manifest.getMainAttributes().getValue("Bundle-SymbolicName");
            if (name != null) {
                bundles.putIfAbsent(name.replaceAll(";.*", ""), new Found(location(url), manifest));
            }
        }
    }

    private static String location(URL manifest) {
        String text = manifest.toString();
        String root = text.substring(0, text.length() - MANIFEST.length());
        return root.startsWith("jar:")
                ? root.substring("jar:".length(), root.length() - "!/".length())
                : "reference:" + root;
    }

    private Found require(String symbolicName) {
        Found found = bundles.get(symbolicName);
        if (found == null) {
            throw new IllegalStateException("the bundle " + symbolicName + " is not on the class path");
        }
        return found;
    }
}
