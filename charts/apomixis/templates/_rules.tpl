{{- /*
What the operator may do where clusters are. No wildcard, no exec, no eviction; Secrets by name only,
for a list would show what is in them all; an ApomixisCluster is never written but for its status.
*/ -}}
{{- define "apomixis.rules" -}}
- apiGroups: [apomixis.io]
  resources: [apomixisclusters]
  verbs: [get, list, watch]
- apiGroups: [apomixis.io]
  resources: [apomixisclusters/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [list, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch, create, delete]
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [list, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [list, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [list, create, patch, delete]
{{- end }}

{{- define "apomixis.subjects" -}}
- kind: ServiceAccount
  name: {{ include "apomixis.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
