package vfio.pci.repository;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A clause of a manifest header.
 *
 * @param paths what it is about: package names, symbolic names, a namespace
 * @param attributes the values of each attribute, several if it is of a list type
 * @param directives its directives
 */
record Clause(List<String> paths, Map<String, List<String>> attributes, Map<String, String> directives) {
    Clause {
        paths = List.copyOf(paths);
        attributes = Map.copyOf(attributes);
        directives = Map.copyOf(directives);
    }

    /** The only, or the first, value of an attribute. */
    Optional<String> attribute(String name) {
        return attributes.getOrDefault(name, List.of()).stream().findFirst();
    }

    boolean isOptional() {
        return "optional".equals(directives.get("resolution"));
    }
}
