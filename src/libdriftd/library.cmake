# src/libdriftd/library.cmake    libdriftd, static and shared, of the rooms stats and detect; what is installed.
#
# The shared library exports what the public headers declare and nothing else.  Each symbol stands in the version that
# first had it: symbols.txt has those that are recorded, all others belong to the version of this tree.  A recorded symbol
# that is no longer declared gives a warning here and fails tests/lint/test_headers.py.
include(GNUInstallDirs)

set(headers_dir ${CMAKE_SOURCE_DIR}/include/driftd)
set(released ${CMAKE_SOURCE_DIR}/src/libdriftd/symbols.txt)
set(node_now DRIFTD_${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
file(GLOB headers CONFIGURE_DEPENDS ${headers_dir}/*.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers} ${released})

# Functions: declarations that begin a line.  tests/lint/test_headers.py reads the headers in its own way and compares.
set(declared "")
foreach(header ${headers})
  file(STRINGS ${header} lines REGEX "^[a-z].*[ *]drift_[a-z0-9_]+\\(")
  foreach(line IN LISTS lines)
    if(NOT line MATCHES "^(static|typedef|#)" AND line MATCHES "[ *](drift_[a-z0-9_]+)\\(")
      list(APPEND declared ${CMAKE_MATCH_1})
    endif()
  endforeach()
endforeach()
foreach(header ${headers}) # constant tables; a bracket must not stand in a CMake list
  file(READ ${header} text)
  string(REGEX MATCHALL "\nextern [a-z0-9_ ]+drift_[a-z0-9_]+" tables "${text}")
  foreach(line IN LISTS tables)
    string(REGEX MATCH "drift_[a-z0-9_]+$" symbol "${line}")
    list(APPEND declared ${symbol})
  endforeach()
endforeach()
list(REMOVE_DUPLICATES declared)
list(SORT declared)
set(all_declared ${declared})

set(nodes "")
file(STRINGS ${released} lines REGEX "^drift_")
foreach(line IN LISTS lines)
  string(REPLACE " " ";" line "${line}")
  list(GET line 0 symbol)
  list(GET line 1 node)
  if(NOT symbol IN_LIST declared)
    message(WARNING "libdriftd: ${symbol} of ${node} is no longer declared in include/driftd; programs that use it will not start")
    continue()
  endif()
  list(REMOVE_ITEM declared ${symbol})
  list(APPEND nodes ${node})
  string(APPEND node_${node} "    ${symbol};\n")
endforeach()
foreach(symbol ${declared})
  list(APPEND nodes ${node_now})
  string(APPEND node_${node_now} "    ${symbol};\n")
endforeach()
list(REMOVE_DUPLICATES nodes)
list(SORT nodes COMPARE NATURAL)
set(script "")
set(before "")
foreach(node ${nodes})
  set(local "")
  if(before STREQUAL "")
    set(local "  local:\n    *;\n")
  endif()
  string(APPEND script "${node} {\n  global:\n${node_${node}}${local}}${before};\n")
  set(before " ${node}")
endforeach()
set(map ${CMAKE_BINARY_DIR}/libdriftd.map)
file(CONFIGURE OUTPUT ${map} CONTENT "${script}" @ONLY)

foreach(room stats detect)
  set_target_properties(driftd_${room} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_compile_options(driftd_${room} PRIVATE -fno-semantic-interposition) # calls within the library stay calls within
  list(APPEND objects $<TARGET_OBJECTS:driftd_${room}>)
endforeach()

# A static library has no hidden names of its own, so its objects become one in which only the declared ones are global.
set(exported ${CMAKE_BINARY_DIR}/libdriftd.exported)
set(object ${CMAKE_BINARY_DIR}/libdriftd.o)
list(JOIN all_declared "\n" exported_lines)
file(CONFIGURE OUTPUT ${exported} CONTENT "${exported_lines}\n" @ONLY)
add_custom_command(OUTPUT ${object}
  COMMAND ${CMAKE_LINKER} -r -o ${object} ${objects}
  COMMAND ${CMAKE_OBJCOPY} --keep-global-symbols=${exported} ${object}
  DEPENDS ${objects} ${exported} COMMAND_EXPAND_LISTS VERBATIM)
set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_library(libdriftd_static STATIC ${object})
add_library(libdriftd_shared SHARED ${objects})
target_link_libraries(libdriftd_shared PRIVATE PkgConfig::GSL PkgConfig::CRYPTO m)
target_link_options(libdriftd_shared PRIVATE -Wl,--version-script=${map} -Wl,--no-undefined)
set_target_properties(libdriftd_static libdriftd_shared PROPERTIES OUTPUT_NAME driftd LINKER_LANGUAGE C)
set_target_properties(libdriftd_shared PROPERTIES VERSION ${PROJECT_VERSION} LINK_DEPENDS ${map}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}) # structs may grow with the minor version until 1.0

file(RELATIVE_PATH up /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
string(REGEX REPLACE "/$" "" up "${up}")
configure_file(${CMAKE_SOURCE_DIR}/src/libdriftd/driftd.pc.in ${CMAKE_BINARY_DIR}/driftd.pc @ONLY)
install(TARGETS libdriftd_static libdriftd_shared COMPONENT library)
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/driftd COMPONENT library)
install(FILES ${CMAKE_BINARY_DIR}/driftd.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
