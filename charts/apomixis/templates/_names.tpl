{{- define "apomixis.name" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}{{ end }}{{ end }}
{{- end }}

{{- define "apomixis.operator" -}}{{ include "apomixis.name" . }}-operator{{- end }}

{{- /* Of what has no namespace: two releases of one name must not meet. */ -}}
{{- define "apomixis.globalName" -}}
{{ include "apomixis.name" . }}-{{ .Release.Namespace }}
{{- end }}

{{- define "apomixis.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "apomixis.operator" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "apomixis.selector" -}}
app.kubernetes.io/name: apomixis-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "apomixis.labels" -}}
{{ include "apomixis.selector" . }}
app.kubernetes.io/part-of: apomixis
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "apomixis.image" -}}
{{- if .image.digest }}{{ printf "%s@%s" .image.repository .image.digest }}
{{- else }}{{ printf "%s:%v" .image.repository (default .default .image.tag) }}{{ end }}
{{- end }}

{{- /* Namespaces with clusters, as JSON; empty where all of them are watched. */ -}}
{{- define "apomixis.namespaces" -}}
{{- if .Values.clusterWide }}{{ list | toJson }}
{{- else }}{{ default (list .Release.Namespace) .Values.namespaces | uniq | sortAlpha | toJson }}{{ end }}
{{- end }}

{{- define "apomixis.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "apomixis.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}
